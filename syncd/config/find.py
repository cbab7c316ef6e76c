"""Which files make up a configuration, and where its state is kept."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from syncd.errors import NotFoundError

MAIN_NAME: Final = "syncd.yaml"
SYSTEM_FILE: Final = Path("/etc/syncd/syncd.yaml")
SYSTEM_STATE: Final = "/var/lib/syncd"
DROP_IN_FOLDER: Final = "conf.d"
MANAGED_FOLDER: Final = "managed.d"


@dataclass(frozen=True, slots=True)
class Files:
    """What to read, in order. `main` is among `read` unless a folder has none; `stray` look like YAML but end in .yml."""

    read: tuple[Path, ...]
    main: Path | None
    stray: tuple[Path, ...] = ()


def find_configuration(path: Path | None, environ: Mapping[str, str]) -> Path:
    """The file or folder to load: `path`, else ``$SYNCD_CONFIG``, ``./syncd.yaml``, ``/etc/syncd/syncd.yaml``.

    Raises:
        NotFoundError: nothing is there; says where it looked.
    """
    named = path or (Path(environ["SYNCD_CONFIG"]) if environ.get("SYNCD_CONFIG") else None)
    if named is not None:
        if os.path.lexists(named):
            return named
        source = "" if path else ", which SYNCD_CONFIG names"
        raise NotFoundError(f"there is no configuration at '{named}'{source}", hint=f"syncd init {named}")
    candidates = (Path(MAIN_NAME), SYSTEM_FILE)
    for candidate in candidates:
        if os.path.lexists(candidate):
            return candidate
    message = (
        f"found no configuration: SYNCD_CONFIG is not set, and there is no ./{MAIN_NAME} and no {SYSTEM_FILE}"
    )
    raise NotFoundError(message, hint="syncd init")


def files_of(path: Path) -> Files:
    """The files that belong to a configuration at that path.

    A file: itself, then ``conf.d/*.yaml`` beside it in name order. A folder with a syncd.yaml: the same for that
    file. Any other folder: all its ``*.yaml`` in name order. Hidden files never belong.

    Raises:
        NotFoundError: a folder without a single file.
        OSError: a folder cannot be listed.
    """
    if not path.is_dir():
        return _with_drop_ins(path)
    if (path / MAIN_NAME).exists():
        return _with_drop_ins(path / MAIN_NAME)
    found, stray = list_folder(path)
    if not found:
        raise NotFoundError(f"there is no *.yaml in the folder '{path}'", hint=f"syncd init {path}")
    return Files(found, None, stray)


def list_folder(folder: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """The ``*.yaml`` of a folder in name order, and those that end in .yml; nothing when there is no such folder."""
    if not folder.is_dir():
        return (), ()
    visible = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    yaml = tuple(entry for entry in visible if entry.suffix == ".yaml")
    return yaml, tuple(entry for entry in visible if entry.suffix == ".yml")


def default_state_path(environ: Mapping[str, str], is_root: bool) -> str:
    """Where state is kept when the configuration does not say: the service manager's folder or the user's."""
    if environ.get("STATE_DIRECTORY"):
        return environ["STATE_DIRECTORY"].split(":")[0]
    if environ.get("XDG_STATE_HOME"):
        return str(Path(environ["XDG_STATE_HOME"]) / "syncd")
    if is_root or not environ.get("HOME"):
        return SYSTEM_STATE
    return str(Path(environ["HOME"]) / ".local" / "state" / "syncd")


def at_home(path: str, environ: Mapping[str, str]) -> str:
    """The path with a ``~/`` at its beginning replaced by the user's own folder."""
    home = environ.get("HOME")
    return str(Path(home) / path[2:]) if home and path.startswith("~/") else path


def _with_drop_ins(main: Path) -> Files:
    found, stray = list_folder(main.parent / DROP_IN_FOLDER)
    return Files((main, *found), main, stray)
