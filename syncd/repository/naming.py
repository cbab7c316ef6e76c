"""The names of what a cluster keeps in each of its databases. All begin with ``syncd_`` and the cluster's own part.

Clusters of one database share nothing, so a node may be a child in one and the parent of another with the same tables.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

LONGEST_SLUG: Final = 16
"""Databases limit names to 63 characters, and triggers add their own endings."""


def slug_of(cluster: str) -> str:
    """A short part for names: letters and digits of the cluster's name; others of the same letters get a hash."""
    plain = re.sub(r"[^a-z0-9]+", "_", cluster.lower()).strip("_")[:LONGEST_SLUG]
    if plain == cluster:
        return plain
    return f"{plain[:9]}_{hashlib.sha256(cluster.encode()).hexdigest()[:6]}".lstrip("_")


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one cluster's tables; those of one tracked table take its number."""

    slug: str

    @classmethod
    def of(cls, cluster: str) -> "Names":
        """The names for a cluster."""
        return cls(slug_of(cluster))

    @property
    def prefix(self) -> str:
        """What all of them begin with."""
        return f"syncd_{self.slug}_"

    @property
    def node(self) -> str:
        """One row: who this node is and where it stands."""
        return f"{self.prefix}node"

    @property
    def marks(self) -> str:
        """The token of each generation."""
        return f"{self.prefix}marks"

    @property
    def tables(self) -> str:
        """The tracked tables, with the columns that their triggers were made for."""
        return f"{self.prefix}tables"

    @property
    def peers(self) -> str:
        """At a parent: its children. At a child: its parent."""
        return f"{self.prefix}peers"

    @property
    def conflicts(self) -> str:
        """Records of conflicts, with both images."""
        return f"{self.prefix}conflicts"

    @property
    def refused(self) -> str:
        """Rows that arrived and that a table does not take."""
        return f"{self.prefix}refused"

    @property
    def files(self) -> str:
        """Which delta files went out and came in."""
        return f"{self.prefix}files"

    def log(self, number: int) -> str:
        """What triggers write: keys of rows that were edited and are not counted by a generation yet."""
        return f"{self.prefix}{number}_log"

    def own(self, number: int) -> str:
        """At a child: rows with edits that the parent has not acknowledged."""
        return f"{self.prefix}{number}_own"

    def begun(self, number: int) -> str:
        """At a child: what summed columns held before the edits of each generation that the parent may not have."""
        return f"{self.prefix}{number}_begun"

    def row(self, number: int) -> str:
        """At a parent: the generation of each row that changed, and whose edit it is."""
        return f"{self.prefix}{number}_row"

    def past(self, number: int) -> str:
        """At a parent: which columns changed in which generation; only where a policy asks for it."""
        return f"{self.prefix}{number}_past"

    def stage(self, number: int) -> str:
        """The temporary table in which rows wait that arrived."""
        return f"syncd_stage_{number}"

    def trigger(self, number: int, kind: str) -> str:
        """A trigger of a tracked table; `kind` is insert, update, delete or another word of the product's."""
        return f"{self.prefix}{number}_{kind}"
