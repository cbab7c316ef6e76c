"""Every command of the pages in docs/ is run, each page in a folder of its own, and ends as the page says."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.system.test_readme import commands_of, run_commands

PAGES = ("options", "deletes", "verify", "troubleshooting", "sync")
DOCS = Path(__file__).parents[2] / "docs"
FILE = re.compile(r"^```yaml\n# file: (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"!\[(.+?)\]\((pictures/[^)]+)\)")
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)#\s]+)")


def files_of(page: Path) -> dict[str, str]:
    """The files that a page shows: name and text of each YAML block that begins with ``# file: NAME``."""
    return dict(FILE.findall(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_works(page: str, tmp_path: Path) -> None:
    for name, text in files_of(DOCS / f"{page}.md").items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    commands = commands_of(DOCS / f"{page}.md")

    done = run_commands(commands, tmp_path)

    assert len(commands) >= 4
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stdout + done.stderr


def test_every_picture_is_shown_by_a_page_and_says_what_it_shows() -> None:
    shown = {path for page in DOCS.glob("*.md") for _, path in PICTURE.findall(page.read_text("utf-8"))}
    pictures = {f"pictures/{path.name}": path for path in (DOCS / "pictures").glob("*.svg")}
    silent = []
    for name, path in pictures.items():
        root = ElementTree.parse(path).getroot()  # noqa: S314 - these files are our own
        words = [part.tag.rpartition("}")[2] for part in root if part.text]
        if not {"title", "desc"} <= set(words):
            silent.append(name)

    assert shown == set(pictures)
    assert silent == []


def test_every_page_that_a_page_names_is_there() -> None:
    pages = [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]
    named = [
        (page, link)
        for page in pages
        for link in LINK.findall(page.read_text("utf-8"))
        if not link.startswith("http")
    ]

    assert len(named) >= 10
    assert [f"{page.name}: {link}" for page, link in named if not (page.parent / link).exists()] == []
