"""Rows to which every edit appends a mark of its own, so that no edit can be lost unseen."""

import random
import threading

from syncd.repository.record import conflicts_of
from syncd.repository.refused import all_refused
from tests.cluster.nodes import run_on

SCHEMA = "CREATE TABLE note (id bigint PRIMARY KEY NOT NULL, marks {text} NOT NULL, filler {text})"
TABLE = "note"
FILLER = "x" * 200


class Register:
    """Edits of several nodes and what became of each; threads may write side by side.

    A mark is committed when its statement has returned. It may leave a row only with the whole row: who deletes it has seen it.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._count = 0
        self.committed = set()
        self.deleted = set()

    def mark(self):
        """A mark that no edit has."""
        with self._lock:
            self._count += 1
            return f"m{self._count}"

    def insert(self, connection, key):
        """Insert a row; its key must be free at this node."""
        mark = self.mark()
        run_on(connection, "INSERT INTO note (id, marks, filler) VALUES (?, ?, ?)", (key, f"{mark} ", FILLER))
        self._keep(mark)

    def append(self, connection, key):
        """Edit a row, if this node has it."""
        mark = self.mark()
        sql = "UPDATE note SET marks = marks || ? WHERE id = ?"
        if run_on(connection, "SELECT 1 FROM note WHERE id = ?", (key,)):
            run_on(connection, sql, (f"{mark} ", key))
            if any(mark in row[0].split() for row in self.marks_of(connection, key)):
                self._keep(mark)

    def delete(self, connection, key):
        """Delete a row, if this node has it."""
        for (marks,) in run_on(connection, "DELETE FROM note WHERE id = ? RETURNING marks", (key,)):
            with self._lock:
                self.deleted |= set(marks.split())

    def marks_of(self, connection, key):
        """The marks of a row here, if it is there."""
        return run_on(connection, "SELECT marks FROM note WHERE id = ?", (key,))

    def _keep(self, mark):
        with self._lock:
            self.committed.add(mark)

    def edit(self, connections, chance, edits=12, keys=20):
        """Edits of all kinds at every node, of new rows and of rows that others may edit as well."""
        for place, connection in enumerate(connections):
            self.insert(connection, self._fresh(place))
            for _ in range(edits):
                key = chance.randrange(keys)
                if chance.random() < 0.15:
                    self.delete(connection, key)
                elif run_on(connection, "SELECT 1 FROM note WHERE id = ?", (key,)):
                    self.append(connection, key)
                else:
                    self.insert(connection, key)

    def _fresh(self, place):
        return 1_000_000 * (place + 1) + int(self.mark()[1:])

    def lost(self, parent, nodes):
        """Committed marks that are neither in the parent's rows, nor in a record of a conflict, nor set aside."""
        there = set(self.deleted)
        for (marks,) in parent.store.run("SELECT marks FROM note").rows:
            there |= set(str(marks).split())
        for record in conflicts_of(parent.node):
            for side in ("parent_row", "child_row", "merged_row"):
                there |= marks_in(record[side])
        for node in nodes:
            for row in all_refused(node.node):
                there |= marks_in(row["image"])
        return self.committed - there


class Writers:
    """Threads that edit a node while syncd runs, until `stop`. What a server refuses is no edit."""

    def __init__(self, register, nodes, each=2, pause_seconds=0.004):
        self._register, self._pause = register, pause_seconds
        self._end = threading.Event()
        self.refused = 0
        self._threads = [
            threading.Thread(target=self._write, args=(node, place * each + turn), daemon=True)
            for place, node in enumerate(nodes)
            for turn in range(each)
        ]
        for thread in self._threads:
            thread.start()

    def _write(self, node, seed):
        chance = random.Random(seed)
        connection = node.another()
        try:
            while not self._end.wait(self._pause):
                try:
                    self._edit(connection, chance, seed)
                except node.errors:
                    self.refused += 1
        finally:
            connection.close()

    def _edit(self, connection, chance, seed):
        key = chance.randrange(200)
        draw = chance.random()
        if draw < 0.1:
            self._register.delete(connection, key)
        elif draw < 0.2:
            self._register.insert(connection, 10_000_000 * (seed + 1) + chance.randrange(10**7))
        elif self._register.marks_of(connection, key):
            self._register.append(connection, key)
        else:
            self._register.insert(connection, key)

    def stop(self):
        """End them all."""
        self._end.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


def marks_in(image):
    """The marks that an image of a row holds."""
    return {word.strip('",') for word in str(image or "").replace('"', " ").split() if word.startswith("m")}
