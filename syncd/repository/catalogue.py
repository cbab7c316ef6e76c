"""What a database's catalogue said, kept as long as the database is built as it was then."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from syncd.repository.store import Store

Said = TypeVar("Said")


class Catalogue:
    """Answers of one database. Nothing is kept before the first `look`, nor where the product does not tell changes cheaply."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._structure = ""
        self._said: dict[Hashable, Any] = {}

    def look(self) -> bool:
        """Is everything as it was at the last look? If not, what was said is forgotten. Cost: one statement.

        Raises:
            TransientError: the connection is lost.
        """
        structure = self._store.structure()
        if structure and structure == self._structure:
            return True
        self._said.clear()
        self._structure = structure
        return False

    def forget(self) -> None:
        """Something was made or dropped here: nothing is kept until the next look."""
        self._said.clear()
        self._structure = ""

    def once(self, asked: Hashable, ask: Callable[[], Said]) -> Said:
        """The answer to a question, from memory where it may be; a question that fails is asked again."""
        if not self._structure:
            return ask()
        if asked not in self._said:
            self._said[asked] = ask()
        found: Said = self._said[asked]
        return found
