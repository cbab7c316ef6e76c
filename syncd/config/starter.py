"""The file that `syncd init` writes, to be edited."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from syncd.config.find import MAIN_NAME
from syncd.config.schema import FILE_NAME
from syncd.errors import BusyError, FatalError

MODELINE: Final = "# yaml-language-server: $schema="

STARTER: Final = f"""\
{MODELINE}{FILE_NAME}
# Check this file with: syncd check      Run its jobs once with: syncd sync      Keep them in sync with: syncd run

connections:
  source:
    type: sqlite
    path: source.db
  copy:
    type: sqlite
    path: copy.db
  # warehouse:
  #   type: postgresql
  #   url: postgresql://loader@db.internal/warehouse
  #   password: ${{env:WAREHOUSE_PASSWORD}}    # or ${{file:PATH}}, or ${{credential:NAME}}

jobs:
  accounts:
    source: source
    destination: copy
    queries:
      - REPLICATE [Accounts]                  # or [sales.*] for all tables of a schema
    # check_column: Updated                   # read only what changed since the last run
    # deletes: hard                           # also delete rows that are gone at the source (or: soft)
    # verify: checksum                        # prove after each run that both tables hold the same
    # alter_schema: true                      # add columns that are new at the source
    # quarantine: true                        # set aside rows that the destination refuses
    schedule:
      every: 15 minutes                       # or  cron: "0-30/5 * * * *"
      timezone: UTC

# clusters:                                   # repositories that are kept equal in both directions
#   offices:
#     parent: {{repository: Head_Office, connection: source}}
#     children:
#       - {{repository: Branch, connection: copy, connected: true}}
#     tables: [Accounts]                      # or patterns: [work_*]
#     conflict: merge-fields                  # or: parent, child, newest, manual, {{newest_by: Updated}}
#     schedule: {{every: 15 minutes}}
"""


def write_starter(path: Path, schema: Mapping[str, Any]) -> list[Path]:
    """Write a starter configuration at `path` (as syncd.yaml in that folder unless it ends in .yaml) and the schema beside it.

    Gives the paths that were written. A schema that is there already stays.

    Raises:
        BusyError: the configuration exists.
        FatalError: it cannot be written.
    """
    file = path if path.suffix in {".yaml", ".yml"} and not path.is_dir() else path / MAIN_NAME
    text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        written = [file] if _create(file, STARTER) else []
        if not written:
            raise BusyError(
                f"'{file}' exists and is left as it is", hint="give another path, or edit that file"
            )
        beside = file.parent / FILE_NAME
        return [*written, beside] if _create(beside, text) else written
    except OSError as error:
        raise FatalError(f"cannot write '{error.filename or file}': {error.strerror}") from error


def _create(path: Path, text: str) -> bool:
    """Write a new file; false when there is one."""
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        return False
    return True
