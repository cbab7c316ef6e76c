"""The rules of conflict policies that a schema cannot say, and what a policy means."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from syncd.config.place import Path, Resolved, Table, Unknown, text_of
from syncd.config.report import Report
from syncd.config.suggestion import suggest
from syncd.model.cluster import Combine, ConflictPolicy, Winner

_NEEDED: Final = {"newest_by": Winner.NEWEST, "priority": Winner.PRIORITY}
"""Keys that say more about a winner, and say nothing beside another one."""


def check_policy(report: Report, path: Path, policy: object, repositories: Collection[str] | None) -> None:
    """Report what the schema cannot say about one policy; `repositories` is None when not all names are known."""
    if not isinstance(policy, Table):
        return
    _check_winner(report, path, policy)
    newest_by, columns = text_of(policy, "newest_by"), policy.get("columns")
    for column in columns if isinstance(columns, Table) and newest_by else ():
        if newest_by and column.lower() == newest_by.lower():
            message = "decides by newest_by, so its values cannot be combined"
            report.at_key((*path, "columns", column), message, "remove one of them")
    if repositories is not None:
        _check_priority(report, (*path, "priority"), policy.get("priority"), repositories)


def check_sums(report: Report, path: Path, policy: object, key: object) -> None:
    """Report columns of a table's key that its policy adds up."""
    columns = policy.get("columns") if isinstance(policy, Table) else None
    names = {name.lower() for name in key if isinstance(name, str)} if isinstance(key, list) else set()
    for column, rule in columns.items() if isinstance(columns, Table) else ():
        if rule == Combine.SUM and column.lower() in names:
            message = "is in the key of a table, and what tells rows apart cannot be summed"
            report.at_key((*path, "columns", column), message, "remove it, or name another key")


def policy_of(data: str | Mapping[str, Any]) -> ConflictPolicy:
    """What a checked policy means: one word, or a mapping whose winner may follow from its other keys."""
    if isinstance(data, str):
        return ConflictPolicy(Winner(data))
    priority = data.get("priority", [])
    names = [priority] if isinstance(priority, str) else priority
    return msgspec.convert({**data, "winner": _winner(data), "priority": names}, ConflictPolicy)


def _winner(policy: Mapping[str, object]) -> str:
    if "winner" in policy:
        return str(policy["winner"])
    if "then" in policy:
        return Winner.MERGE_FIELDS
    given = [winner for key, winner in _NEEDED.items() if policy.get(key)]
    return given[0] if given else Winner.MERGE_FIELDS if policy.get("columns") else Winner.PARENT


def _check_winner(report: Report, path: Path, policy: Table) -> None:
    if any(isinstance(policy.get(key), Unknown) for key in policy):
        return
    winner, then = _winner(policy), str(policy.get("then", ""))
    if "then" in policy and winner != Winner.MERGE_FIELDS:
        message = f"stands only with merge-fields, and the winner is {winner}"
        report.at_key((*path, "then"), message, "remove one of them")
    if {"winner", "then"}.isdisjoint(policy) and all(policy.get(key) for key in _NEEDED):
        report.at_key((*path, "priority"), "cannot stand together with 'newest_by'", "say which by 'winner'")
        return
    for key, needed in _NEEDED.items():
        if policy.get(key) and needed not in (winner, then):
            message = f"says nothing here: the winner is {winner}"
            report.at_key((*path, key), message, f"remove it, or write winner: {needed}")
    if Winner.PRIORITY in (winner, then) and not policy.get("priority"):
        said = "winner" if winner == Winner.PRIORITY else "then"
        report.at_key((*path, said), "needs 'priority' beside it", "name repositories, the strongest first")


def _check_priority(report: Report, path: Path, names: object, repositories: Collection[str]) -> None:
    single = isinstance(names, str)
    for index, name in enumerate([names] if single else names if isinstance(names, list) else ()):
        if not isinstance(name, str) or isinstance(name, Unknown) or not name or name in repositories:
            continue
        named = "such repository" if isinstance(name, Resolved) else f"repository '{name}'"
        at = path if single else (*path, index)
        report.at_value(at, f"this cluster has no {named}", suggest(name, repositories, "repositories"))
