"""Conditions that choose rows of one table, such as ``region = :child``; sqlglot is imported only when there is one."""

from typing import Any, Final

from syncd.engine.select import DIALECTS, trees_of
from syncd.engine.words import tokens_of
from syncd.errors import QueryError

CHILD: Final = "child"
"""What stands behind the colon where the name of a child's repository is meant."""

FICKLE: Final = frozenset(
    [
        "GETDATE",
        "SYSDATE",
        "SYSDATETIME",
        "GETUTCDATE",
        "CLOCK_TIMESTAMP",
        "STATEMENT_TIMESTAMP",
        "TRANSACTION_TIMESTAMP",
        "TIMEOFDAY",
        "SYSTIMESTAMP",
        "UTC_TIMESTAMP",
        "UTC_DATE",
        "UTC_TIME",
        "UNIX_TIMESTAMP",
        "LOCALTIME",
        "LOCALTIMESTAMP",
        "RANDOMBLOB",
        "NEWID",
        "CONNECTION_ID",
        "LAST_INSERT_ID",
        "NEXTVAL",
        "CHANGES",
        "LAST_INSERT_ROWID",
        "TOTAL_CHANGES",
        "CURRENT_SETTING",
    ]
)
"""Functions that sqlglot has no node for and whose result is another one every time."""

_HEAD: Final = "SELECT 1 WHERE "
_HINT: Final = "write for example: region = :child"


def check_condition(text: str) -> None:
    """Refuse a text that is no single condition over the columns of one row.

    Raises:
        QueryError: it does not parse in any dialect that is known, it is more than a condition, or it asks something
            else than the row: another table, the time, chance. `offset` says where, as far as that is known.
    """
    _parse(text, DIALECTS)


def columns_of(text: str) -> tuple[str, ...]:
    """The columns that a condition reads, each once, in the order of their first mention.

    Raises:
        QueryError: as for `check_condition`.
    """
    from sqlglot import exp

    tree = _parse(text, DIALECTS)
    return tuple(dict.fromkeys(column.name for column in tree.find_all(exp.Column, bfs=False)))


def render_condition(text: str, dialect: str, child: str) -> str:
    """The condition in a store's dialect (postgres, sqlite, mysql), with the child's name as a text for ``:child``.

    A text that means something in that dialect is read so, whatever it means in others.

    Raises:
        QueryError: as for `check_condition`.
    """
    from sqlglot import exp

    tree = _parse(text, (dialect, *(other for other in DIALECTS if other != dialect)))
    name = exp.Literal.string(child)
    filled = tree.transform(lambda node: name.copy() if isinstance(node, exp.Placeholder) else node)
    return str(filled.sql(dialect=dialect, comments=False))


def _parse(text: str, dialects: tuple[str, ...]) -> Any:
    if not tokens_of(text):
        raise QueryError("the condition is empty", offset=0, hint=_HINT)
    first: QueryError | None = None
    for dialect in dialects:
        try:
            tree = _condition(text, dialect)
        except QueryError as error:
            first = first or error
            continue
        _refuse_more(text, tree)
        return tree
    raise first or QueryError("the condition does not parse", offset=0, hint=_HINT)


def _condition(text: str, dialect: str) -> Any:
    from sqlglot import exp

    # A comment at the end must not swallow what nobody wrote behind it.
    trees = trees_of(f"{_HEAD}{text}", dialect, -len(_HEAD), "the condition")
    parts = trees[0].args if len(trees) == 1 and isinstance(trees[0], exp.Select) else {}
    present = {key for key, part in parts.items() if part}
    if present != {"expressions", "where"}:
        raise QueryError("is more than one condition", offset=0, hint=_HINT)
    return parts["where"].this


def _refuse_more(text: str, tree: Any) -> None:
    """Refuse what depends on more than the row: then nobody would notice when it begins or ceases to hold."""
    from sqlglot import exp

    if tree.find(exp.Query, exp.Subquery, exp.Table):
        raise QueryError(
            "a condition asks one table alone, without another SELECT", offset=_place(text, "SELECT")
        )
    if tree.find(exp.AggFunc, exp.Window):
        raise QueryError("a condition asks one row alone, without sums over others", offset=0)
    if _is_fickle(tree):
        message = "a condition must not depend on the time, on chance or on who asks"
        raise QueryError(message, offset=0, hint="let a column say it")
    for node in tree.find_all(exp.Placeholder, exp.Parameter):
        if not isinstance(node, exp.Placeholder) or node.name != CHILD:
            raise QueryError("knows no other parameter than :child", offset=0, hint=_HINT)
    if tree.find(exp.Command, exp.PropertyEQ):
        raise QueryError("is no condition", offset=0, hint=_HINT)
    if isinstance(tree, exp.Literal):
        raise QueryError("is a value and no condition", offset=0, hint=_HINT)


def _is_fickle(tree: Any) -> bool:
    from sqlglot import exp

    fickle = (exp.CurrentDate, exp.CurrentTime, exp.CurrentTimestamp, exp.CurrentUser, exp.Rand, exp.Uuid)
    called = {str(node.this).upper() for node in tree.find_all(exp.Anonymous)}
    # SQLite's date functions take the present by this word.
    now = any(
        node.name.lower() == "now" and isinstance(node.parent, exp.Func)
        for node in tree.find_all(exp.Literal)
    )
    return bool(tree.find(*fickle)) or now or not FICKLE.isdisjoint(called)


def _place(text: str, word: str) -> int:
    return next((token.start for token in tokens_of(text) if token.keyword == word), 0)
