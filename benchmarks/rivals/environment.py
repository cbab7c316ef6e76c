"""The rivals' own environments: made once, outside the project's, and used again when they are there."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from benchmarks.measure import FailedError

FOLDER_VARIABLE: Final = "SYNCD_RIVALS"
"""Another folder than `.rivals` beside the project."""
INSTALL_SECONDS: Final = 1_200
DONE: Final = "requirements.installed"
FAILED: Final = "requirements.failed"

QUIET: Final = {
    "DO_NOT_TRACK": "1",
    "SLING_DISABLE_TELEMETRY": "TRUE",
    "INGESTR_DISABLE_TELEMETRY": "true",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
    "NO_COLOR": "1",
    "PYTHONPATH": "",
    "PYTHONWARNINGS": "ignore",
}
"""No rival reports home, and none sees this project's modules."""


class Installable(Protocol):
    """What has an environment of its own: `requirements` are for pip, `finish` is what is left to do after it."""

    @property
    def name(self) -> str:
        """The environment's folder."""

    @property
    def requirements(self) -> Sequence[str]:
        """What pip installs."""

    @property
    def finish(self) -> Callable[[Path], None]:
        """Gets the folder of the environment when pip is done."""


@dataclass(frozen=True)
class Package:
    """Something installable that is no contestant in copying tables."""

    name: str
    requirements: Sequence[str]
    finish: Callable[[Path], None] = lambda _: None


def rivals_folder() -> Path:
    """Where the environments are, one folder for each rival."""
    here = Path(__file__).resolve().parents[2] / ".rivals"
    return Path(os.environ.get(FOLDER_VARIABLE) or here)


def environment_of(name: str) -> Path:
    """The environment of the rival of this name."""
    return rivals_folder() / name


def program(name: str, of: str) -> str:
    """A program of a rival's environment.

    Raises:
        FailedError: the rival is not installed; with pip's words when it could not be.
    """
    path = environment_of(of)
    failed = path / FAILED
    if failed.exists():
        raise FailedError(f"not installed: {failed.read_text().strip()}")
    if not (path / DONE).exists():
        raise FailedError("not installed: run python -m benchmarks.run rivals --install")
    return str(path / "bin" / name)


def settings(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables for a rival's run, with a home of its own."""
    return {**QUIET, "HOME": str(home), **(more or {})}


def install(rival: Installable) -> str:
    """Make the rival's environment, unless one with the same requirements is there: what came of it, in a line."""
    path = environment_of(rival.name)
    wanted = "\n".join(rival.requirements)
    done, failed = path / DONE, path / FAILED
    if done.exists() and done.read_text() == wanted:
        return "is there"
    try:
        run_installer([sys.executable, "-m", "venv", "--clear", str(path)])
        run_installer([str(path / "bin" / "python"), "-m", "pip", "install", "--quiet", *rival.requirements])
        rival.finish(path)
    except FailedError as error:
        path.mkdir(parents=True, exist_ok=True)
        failed.write_text(str(error))
        return f"failed: {error}"
    done.write_text(wanted)
    return "installed"


def run_installer(
    command: list[str], folder: Path | None = None, more: Mapping[str, str] | None = None
) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_SECONDS,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": "", **(more or {})},
        )
    except subprocess.TimeoutExpired as error:
        raise FailedError(f"{Path(command[0]).name} took longer than {INSTALL_SECONDS} s") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no word"]
        raise FailedError(next((line for line in reversed(lines) if "rror" in line), lines[-1])[:300])
