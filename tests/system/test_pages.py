"""Every command of the pages in docs/ is run, each page in a folder of its own, and ends as the page says."""

from pathlib import Path

import pytest

from tests.system.test_readme import commands_of, run_commands

PAGES = ("options", "deletes", "verify", "troubleshooting")
DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_works(page: str, tmp_path: Path) -> None:
    commands = commands_of(DOCS / f"{page}.md")

    done = run_commands(commands, tmp_path)

    assert len(commands) >= 4
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stdout + done.stderr
