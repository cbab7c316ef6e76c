"""What attacks on clusters found, each as small as it can be."""

import sqlite3
import time
from contextlib import closing

from tests.cluster.nodes import FileNode
from tests.cluster.program import Crew, steps_of
from tests.cluster.register import SCHEMA


def test_a_file_that_a_user_keeps_locked_costs_the_others_a_few_seconds_at_most(tmp_path):
    crew = Crew(tmp_path, {name: FileNode(tmp_path / f"{name}.db", SCHEMA) for name in ("P", "a", "b")})
    crew.edit(edits=3)
    crew.healed()
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as user:
        user.execute("BEGIN IMMEDIATE")
        crew.register.insert(crew.nodes["P"].connection, 77)
        began = time.monotonic()

        done = crew.sync()

        seconds = time.monotonic() - began
    assert done.returncode == 1
    assert "locked by another program" in steps_of(done)["a down"]["failure"]["message"]
    assert steps_of(done)["b down"]["counters"]["inserted"] == 1
    assert seconds < 20
    crew.healed()
    crew.close()
