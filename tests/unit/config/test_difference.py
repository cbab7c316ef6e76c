"""What changed between two configurations, and what a digest counts."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.config.build import digest_of
from syncd.config.diff import Difference, difference
from syncd.model.cluster import Child, Cluster, ClusterTable
from syncd.model.configuration import Configuration
from syncd.model.definitions import (
    Connection,
    Limits,
    Logs,
    Origin,
    Replication,
    Schedule,
    State,
)
from syncd.model.secret import Secret

ORIGINS = st.none() | st.builds(Origin, st.sampled_from(["a", "b"]), st.integers(1, 3), st.just(1))
NAMES = st.sampled_from(["a", "b", "c"])


def named(build: Any) -> st.SearchStrategy[Any]:
    return st.dictionaries(NAMES, build, max_size=3).map(
        lambda found: {name: replace(value, name=name) for name, value in found.items()}
    )


CONFIGURATIONS = st.builds(
    Configuration,
    state=st.builds(State, st.sampled_from(["x", "y"])),
    connections=named(
        st.builds(
            Connection,
            st.just(""),
            st.just("sqlite"),
            st.fixed_dictionaries({"path": st.sampled_from(["p", "q", Secret("p"), Secret("q")])}),
            st.sampled_from([None, 1]),
            ORIGINS,
        )
    ),
    jobs=named(
        st.builds(
            Replication,
            name=st.just(""),
            source=NAMES,
            destination=NAMES,
            queries=st.just(("REPLICATE a",)),
            schedule=st.sampled_from([None, Schedule(cron="* * * * *"), Schedule(every_seconds=5)]),
            origin=ORIGINS,
        )
    ),
    clusters=named(
        st.builds(
            Cluster,
            name=st.just(""),
            parent=st.just("P"),
            parent_connection=NAMES,
            children=st.sampled_from([(Child("C", "c"),), (Child("C", "c", "false"),)]),
            tables=st.just((ClusterTable("t"),)),
            signing_key=st.sampled_from([None, Secret("p"), Secret("q")]),
            origin=ORIGINS,
        )
    ),
    logs=st.builds(Logs, st.sampled_from(["info", "debug"])),
    limits=st.builds(Limits, st.sampled_from([1, 2])),
)


def parts(configuration: Configuration) -> dict[str, object]:
    """Every part by its name in a difference, without origins."""
    connections = {
        f"connection {key}": replace(value, origin=None) for key, value in configuration.connections.items()
    }
    jobs = {f"job {key}": replace(value, origin=None) for key, value in configuration.jobs.items()}
    clusters = {
        f"cluster {key}": replace(value, origin=None) for key, value in configuration.clusters.items()
    }
    sections = {"state": configuration.state, "logs": configuration.logs, "limits": configuration.limits}
    return {**sections, **connections, **jobs, **clusters}


@given(CONFIGURATIONS, CONFIGURATIONS)
def test_old_with_the_difference_applied_is_new(old: Configuration, new: Configuration) -> None:
    found = difference(old, new)

    result = {name: part for name, part in parts(old).items() if name not in found.removed}
    result |= {name: parts(new)[name] for name in (*found.added, *found.changed)}

    assert result == parts(new)
    assert not set(found.added) & set(parts(old))
    assert all(parts(old)[name] != parts(new)[name] for name in found.changed)


@given(CONFIGURATIONS, CONFIGURATIONS)
def test_way_back_is_the_flipped_difference(old: Configuration, new: Configuration) -> None:
    assert difference(new, old) == difference(old, new).flipped()


@given(CONFIGURATIONS, CONFIGURATIONS)
def test_digests_are_equal_when_nothing_differs(old: Configuration, new: Configuration) -> None:
    assert (digest_of(old) == digest_of(new)) == (not difference(old, new))


@given(CONFIGURATIONS)
def test_configuration_does_not_differ_from_itself_written_elsewhere(configuration: Configuration) -> None:
    elsewhere = replace(
        configuration,
        files=("other",),
        digest="other",
        jobs={
            name: replace(job, origin=Origin("other", 9, 9))
            for name, job in reversed(list(configuration.jobs.items()))
        },
    )

    assert not difference(configuration, elsewhere)
    assert digest_of(configuration) == digest_of(elsewhere)


def test_lists_are_sorted_and_name_the_kind() -> None:
    job = Replication("", "c", "c", ("q",))
    old = Configuration(State("x"), {}, {"b": job, "a": job})
    new = Configuration(State("y"), {"c": Connection("c", "sqlite", {})}, {})

    assert difference(old, new) == Difference(("connection c",), ("state",), ("job a", "job b"))


@pytest.mark.parametrize(("found", "truth"), [(Difference(), False), (Difference(changed=("state",)), True)])
def test_difference_is_true_when_something_differs(found: Difference, truth: bool) -> None:
    assert bool(found) is truth
