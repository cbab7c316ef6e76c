"""Finds jobs that wait for each other."""

from collections.abc import Mapping, Sequence


def cycles(after: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Circles of jobs, each once, beginning with the job that is declared first; `after` may name unknown jobs.

    Of circles that share jobs only one is told, as mending it may mend the others. Cost: linear.
    """
    waiting = _without_way_out(after)
    rank = {job: position for position, job in enumerate(after)}
    found: list[list[str]] = []
    seen: set[str] = set()
    for job in after:
        trail: list[str] = []
        while job in waiting and job not in seen:
            seen.add(job)
            trail.append(job)
            job = next(name for name in after[job] if name in waiting)
        if job in trail:
            circle = trail[trail.index(job) :]
            found.append(_from_first(circle, rank))
    return found


def _without_way_out(after: Mapping[str, Sequence[str]]) -> set[str]:
    """The jobs that can never start: all but those whose predecessors can all be put in order."""
    followers: dict[str, list[str]] = {}
    open_count = dict.fromkeys(after, 0)
    for job, names in after.items():
        for name in names:
            if name in after:
                followers.setdefault(name, []).append(job)
                open_count[job] += 1
    ready = [job for job, count in open_count.items() if not count]
    while ready:
        for job in followers.get(ready.pop(), ()):
            open_count[job] -= 1
            if not open_count[job]:
                ready.append(job)
    return {job for job, count in open_count.items() if count}


def _from_first(circle: list[str], rank: Mapping[str, int]) -> list[str]:
    first = circle.index(min(circle, key=rank.__getitem__))
    return circle[first:] + circle[:first]
