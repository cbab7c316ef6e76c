"""Which files make up a configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from syncd.errors import NotFoundError

MAIN_NAME: Final = "syncd.yaml"
SYSTEM_FILE: Final = Path("/etc/syncd/syncd.yaml")
DROP_IN_FOLDER: Final = "conf.d"
MANAGED_FOLDER: Final = "managed.d"


def find_configuration(path: Path | None, environ: Mapping[str, str]) -> Path:
    """The file or folder to load: `path`, else ``$SYNCD_CONFIG``, ``./syncd.yaml``, ``/etc/syncd/syncd.yaml``.

    Raises:
        NotFoundError: nothing is there; says where it looked.
    """
    named = path or (Path(environ["SYNCD_CONFIG"]) if environ.get("SYNCD_CONFIG") else None)
    if named is not None:
        if named.exists():
            return named
        source = "" if path else " (from SYNCD_CONFIG)"
        raise NotFoundError(f"there is no configuration at '{named}'{source}", hint=f"syncd init {named}")
    candidates = (Path(MAIN_NAME), SYSTEM_FILE)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    places = ", ".join(f"./{place}" if not place.is_absolute() else str(place) for place in candidates)
    raise NotFoundError(
        f"found no configuration; looked at $SYNCD_CONFIG (not set), {places}", hint="syncd init"
    )
