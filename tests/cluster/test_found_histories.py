"""What random histories said wrongly, each with its own small history: the watcher knows what may be gone."""

import pytest

from tests.cluster.play import Play
from tests.cluster.playground import PATCHES, SqliteCopy, template


@pytest.fixture
def play(tmp_path):
    """A parent and one child on SQLite files."""
    made = Play(tmp_path, lambda name: SqliteCopy(tmp_path / f"{name}.db", template()), 1, patches=PATCHES)
    yield made
    made.close()


def test_a_newcomer_may_bring_back_a_row_that_went_and_was_forgotten(play):
    play.edit("P", ("insert", "leaf", 1, 0, 0))
    play.sync()
    play.edit("c0", ("delete", "leaf", 1, 0, 0))
    play.sync()
    play.sync()
    play.compact()
    play.add_child("c1")
    play.edit("c1", ("insert", "leaf", 1, 0, 0))

    play.finish()

    assert ("leaf", ("00000001-1111-4111-8111-111111111111",)) in play.contents("P")
