"""The table that closes a run of a cluster."""

from collections.abc import Sequence
from typing import Any, Final

from syncd.cli.table import closing_table, columns, grouped

View = dict[str, Any]
COMPARED: Final = ("rows", "missing", "different", "surplus", "repaired")
NUMBERS: Final = ("received", "inserted", "updated", "deleted", "conflicts", "set aside")


def cluster_table(run: View) -> list[str]:
    """What a run did for each child, both ways, what its policies decided, and one sentence about the whole."""
    steps: Sequence[View] = run["steps"]
    shown = [step for step in steps if _moved(step)]
    lines = columns(("child", "way", *NUMBERS, "seconds"), map(_row, shown)) if shown else []
    lines += [f"warning: {_names(step)[0]}: {text}" for step in steps for text in step["warnings"]]
    lines += [_failed(step) for step in steps if step["failure"]]
    said = (decided_sentence(steps), _aside_sentence(steps))
    return [*lines, *(text for text in said if text), _sentence(run)]


def ending_lines(run: View) -> list[str]:
    """What a run did, whatever it was a run of: of a job, of a cluster, or a comparison of a cluster."""
    if not any(step["deletes"] == "captured" for step in run["steps"]):
        return closing_table(run)
    compared = any(step.get("verdict") for step in run["steps"])
    return comparison_table(run) if compared else cluster_table(run)


def comparison_table(run: View) -> list[str]:
    """What a comparison of a cluster found, table by table, and one sentence about the whole."""
    steps: Sequence[View] = run["steps"]
    rows = []
    for step in steps:
        if verdict := step.get("verdict"):
            child, table = _names(step)
            numbers = (verdict[name] for name in COMPARED)
            aside = verdict.get("held", 0)
            rows.append((child, table, *map(grouped, (*numbers, aside)), f"{step['seconds']:.2f}"))
    heads = ("child", "table", "rows", "missing", "different", "too many", "repaired", "set aside", "seconds")
    lines = columns(heads, rows) if rows else []
    lines += [f"warning: {step['step']}: {text}" for step in steps for text in step["warnings"]]
    lines += [_failed(step) for step in steps if step["failure"]]
    decided = decided_sentence(steps)
    seconds = "" if run["seconds"] is None else f" in {run['seconds']:.2f} s"
    aside = sum(step["verdict"].get("held", 0) for step in steps if step.get("verdict"))
    equal = run["status"] == "ok" or (run["status"] == "partial" and all(map(_equal_but_aside, steps)))
    repaired = any((step.get("verdict") or {}).get("repaired") for step in steps)
    after = "after the repair " if repaired else ""
    but = f", but for {_rows(aside)} set aside (syncd conflicts list)" if aside else ""
    found = f"{after}all children hold what the parent holds{but}" if equal else run["status"]
    said = f"{run['job']}: {found}{seconds}"
    if not steps and run["failure"]:
        said += f": {run['failure']['message']}"
    return [*lines, *([decided] if decided else []), said]


def decided_sentence(steps: Sequence[View]) -> str:
    """How many conflicts there were, and who decides them; empty without any."""
    conflicts = sum(step.get("conflicts", 0) for step in steps)
    waiting = sum(step.get("conflicts_open", 0) for step in steps)
    if not conflicts:
        return ""
    settled = conflicts - waiting
    parts = []
    if settled:
        verb = "conflict was" if settled == 1 else "conflicts were"
        parts.append(f"{grouped(settled)} {verb} decided by policy (syncd conflicts list)")
    if waiting:
        verb = "waits" if waiting == 1 else "wait"
        noun = "" if settled else (" conflict" if waiting == 1 else " conflicts")
        where = "" if settled else " (syncd conflicts list --open)"
        parts.append(f"{grouped(waiting)}{noun} {verb} for you{where}")
    return "; ".join(parts)


def _aside_sentence(steps: Sequence[View]) -> str:
    """How many rows are set aside at the end of a run; empty without any."""
    count = sum(step.get("still_held", 0) for step in steps)
    if not count:
        return ""
    said = "1 row is" if count == 1 else f"{grouped(count)} rows are"
    return f"{said} still set aside (syncd conflicts list; syncd cluster status)"


def _rows(count: int) -> str:
    return f"{grouped(count)} {'row that is' if count == 1 else 'rows that are'}"


def _equal_but_aside(step: View) -> bool:
    """Did it find no difference but, perhaps, in rows that are set aside?"""
    verdict = step.get("verdict")
    if not verdict:
        return step["status"] in {"ok", "skipped"}
    found = sum(verdict[name] for name in ("missing", "different", "surplus"))
    # Any other warning says that the tables cannot be called equal.
    expected = bool(found) + bool(verdict.get("held"))
    return found <= verdict["repaired"] and len(step["warnings"]) <= expected


def _moved(step: View) -> bool:
    """Is there something to show? A child that was left out or failed is always shown."""
    return bool(step["failure"]) or step["status"] == "skipped" or not step["nothing_to_do"]


def _names(step: View) -> tuple[str, str]:
    """The child and the way or table; a step without one is about the child, or the tables, as such."""
    # Either name may have blanks.
    child = step.get("child", "")
    return (child, step["step"].removeprefix(f"{child} ")) if child else (step["step"], "-")


def _row(step: View) -> tuple[str, ...]:
    counters = step["counters"]
    child, way = _names(step)
    if step["status"] == "skipped":
        return (child, "left out", *("" for _ in NUMBERS), "")
    if step["failure"] and not any(counters.values()):
        return (
            child,
            way if way == "-" else f"{way}: failed",
            *("" for _ in NUMBERS),
            f"{step['seconds']:.2f}",
        )
    numbers = (
        # Rows that were deleted are not among those read, but they were received, too.
        counters["read"] + counters["deleted"],
        *(counters[name] for name in ("inserted", "updated", "deleted")),
        step.get("conflicts", 0),
        step.get("held", 0),
    )
    return (child, way, *map(grouped, numbers), f"{step['seconds']:.2f}")


def _failed(step: View) -> str:
    failure = step["failure"]
    hint = f"\n  try: {failure['hint']}" if failure["hint"] else ""
    return f"failed: {_names(step)[0]}: {failure['message']}{hint}"


def _sentence(run: View) -> str:
    seconds = "" if run["seconds"] is None else f" in {run['seconds']:.2f} s"
    children = {_names(step)[0] for step in run["steps"] if _names(step)[1] != "-"}
    failure = run["failure"]
    if run["status"] == "ok":
        quiet = not any(_moved(step) for step in run["steps"] if step["status"] != "skipped")
        said = ", nothing to do" if quiet else ""
        noun = "child" if len(children) == 1 else "children"
        return f"{run['job']}: ok{said}{seconds}, {len(children)} {noun}"
    why = f": {failure['message']}" if failure else ""
    done = {
        name
        for name in children
        if not any(step["failure"] for step in run["steps"] if _names(step)[0] == name)
    }
    rest = f" ({', '.join(sorted(done))}: done)" if done else ""
    hint = f"\ntry: {failure['hint']}" if failure and failure["hint"] and not run["steps"] else ""
    return f"{run['job']}: {run['status']}{seconds}{why}{rest}{hint}"
