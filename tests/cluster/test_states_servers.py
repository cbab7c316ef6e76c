"""Random histories of clusters whose nodes are databases of a server, with users whose transactions stay open."""

import pytest

from tests.cluster.servercopy import QUICK_LOCKS, MariadbCopy, PostgresCopy
from tests.cluster.test_states import SCALE, Histories, check_histories

EXAMPLES = 100
STEPS = 20


@pytest.fixture
def quick_locks(monkeypatch):
    """Locks are waited for as short as possible."""
    for what, name, value in QUICK_LOCKS:
        monkeypatch.setattr(what, name, value)


def histories_on(server, kind):
    """The machine with the databases of a server in the place of files."""

    class ServerHistories(Histories):
        def make(self, name):
            return kind(server, f"history_{name.lower()}")

    return ServerHistories


# Users' open transactions depend on time here, so a history does not always repeat: for a person who looks, not for each change.
if SCALE > 1:

    @pytest.mark.soak
    @pytest.mark.timeout(7200)
    def test_histories_on_postgresql_converge(postgres, quick_locks):
        check_histories(histories_on(postgres, PostgresCopy), EXAMPLES, STEPS, database=None)

    @pytest.mark.soak
    @pytest.mark.timeout(7200)
    def test_histories_on_mariadb_converge(mariadb, quick_locks):
        check_histories(histories_on(mariadb, MariadbCopy), EXAMPLES, STEPS, database=None)
