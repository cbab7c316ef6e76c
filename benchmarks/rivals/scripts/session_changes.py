"""SQLite's session extension, in the environment of `session`: what differs between two files, and bringing that to others.

Arguments: `record PARENT CHILD TABLE CHANGESET`, or `apply CHANGESET CHILD...`.
"""

import sys
from pathlib import Path

import apsw


def record(parent: str, child: str, table: str, changeset: str) -> None:
    """Write what the child lacks to a file."""
    connection = apsw.Connection(parent)
    connection.execute("ATTACH ? AS other", (child,))
    session = apsw.Session(connection, "main")
    session.attach(table)
    session.diff("other", table)
    Path(changeset).write_bytes(session.changeset())
    session.close()
    connection.close()


def apply(changeset: str, *children: str) -> None:
    """Bring the changes to every child; anything unforeseen ends the program."""
    changes = Path(changeset).read_bytes()
    for child in children:
        connection = apsw.Connection(child)
        apsw.Changeset.apply(changes, connection, conflict=lambda *_: apsw.SQLITE_CHANGESET_ABORT)
        connection.close()


if __name__ == "__main__":
    {"record": record, "apply": apply}[sys.argv[1]](*sys.argv[2:])
