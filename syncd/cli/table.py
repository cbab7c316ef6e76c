"""Text for people: columns, moments, and the table that closes a run."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

ACCOUNTED: Final = ("inserted", "updated", "unchanged", "rejected")
NUMBERS: Final = ("read", *ACCOUNTED, "deleted")


def columns(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines with every column as wide as its widest value; values that are all numbers stand to the right."""
    body = [tuple(row) for row in rows]
    table = [tuple(heads), *body]
    widths = [max(len(row[place]) for row in table) for place in range(len(heads))]
    right = [all(_numeric(row[place]) for row in body) for place in range(len(heads))]
    return ["  ".join(map(_aligned, row, widths, right)).rstrip() for row in table]


def grouped(number: int) -> str:
    """A number with thin groups of three digits."""
    return f"{number:,}".replace(",", " ")


def short_moment(text: str | None, zone: str = "UTC") -> str:
    """A stored moment to the second, in that zone; empty for None."""
    if not text:
        return ""
    moment = datetime.fromisoformat(text)
    if zone != "UTC":
        from zoneinfo import ZoneInfo

        moment = moment.astimezone(ZoneInfo(zone))
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def closing_table(run: dict[str, Any]) -> list[str]:
    """What a run did, step by step, and one sentence that says ok only when every row is accounted for."""
    moved = [step for step in run["steps"] if not step["nothing_to_do"]]
    lines = [
        _nothing(run["job"], step, len(run["steps"]) == 1) for step in run["steps"] if step["nothing_to_do"]
    ]
    if moved:
        heads = ("step", *NUMBERS, "mark from", "to", "seconds", "rows/s")
        lines += columns(heads, map(_step_row, moved))
    lines += [_verified(step) for step in run["steps"] if step.get("verdict")]
    lines += [f"warning: {step['step']}: {text}" for step in run["steps"] for text in step["warnings"]]
    lines += [_failed(step) for step in run["steps"] if step["failure"] and len(run["steps"]) > 1]
    lines.append(_sentence(run))
    return lines


def balanced(run: dict[str, Any]) -> bool:
    """Is every row of every step accounted for?"""
    return all(
        step["counters"]["read"] == sum(step["counters"][name] for name in ACCOUNTED) for step in run["steps"]
    )


def _numeric(text: str) -> bool:
    return text.replace(" ", "").replace(".", "").isdigit() or not text


def _aligned(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def _nothing(job: str, step: dict[str, Any], alone: bool) -> str:
    name = job if alone else f"{job} {step['step']}"
    facts = [] if step["rows_known"] is None else [f"{grouped(step['rows_known'])} rows known"]
    if step["mark_to"] is not None:
        facts.append(f"mark {step['mark_to']}")
    facts.append(f"checked in {step['seconds']:.2f} s")
    return f"{name}: nothing to do ({', '.join(facts)})"


def _step_row(step: dict[str, Any]) -> tuple[str, ...]:
    counters, seconds = step["counters"], step["seconds"]
    rate = grouped(round(counters["read"] / seconds)) if seconds > 0 else ""
    return (
        step["step"],
        *(grouped(counters[name]) for name in NUMBERS),
        step["mark_from"] or "-",
        step["mark_to"] or "-",
        f"{seconds:.2f}",
        rate,
    )


def _verified(step: dict[str, Any]) -> str:
    verdict = step["verdict"]
    differ = verdict["missing"] + verdict["different"] + verdict["surplus"] - verdict["repaired"]
    said = "both sides are equal" if not differ else f"differs in {grouped(differ)} rows"
    if verdict["repaired"]:
        said += f", {grouped(verdict['repaired'])} repaired"
    return f"verified: {step['step']}: {said} ({verdict['method']} of {grouped(verdict['rows'])} rows)"


def _failed(step: dict[str, Any]) -> str:
    return f"failed: {step['step']}: {step['failure']['message']}"


def _sentence(run: dict[str, Any]) -> str:
    seconds = "" if run["seconds"] is None else f" in {run['seconds']:.2f} s"
    failure = run["failure"]
    if run["status"] == "ok" and balanced(run):
        if run["steps"] and all(step["nothing_to_do"] for step in run["steps"]):
            return f"{run['job']}: ok, nothing to do{seconds}"
        counters = run["counters"]
        parts = [f"{grouped(counters[name])} {name}" for name in NUMBERS if counters[name] or name == "read"]
        return f"{run['job']}: ok{seconds}, {', '.join(parts)}"
    if run["status"] == "ok":
        return f"{run['job']}: failed: the counters do not balance; run it again with --full"
    why = f": {failure['message']}" if failure else ""
    hint = f"\ntry: {failure['hint']}" if failure and failure["hint"] else ""
    return f"{run['job']}: {run['status']}{seconds}{why}{hint}"
