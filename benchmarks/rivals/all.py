"""Every rival, in the order of the tables."""

from typing import Final

from benchmarks.rivals.dlt import DLT
from benchmarks.rivals.duckdb import DUCKDB
from benchmarks.rivals.ingestr import INGESTR
from benchmarks.rivals.meltano import MELTANO
from benchmarks.rivals.sling import SLING

RIVALS: Final = (DUCKDB, SLING, INGESTR, DLT, MELTANO)
