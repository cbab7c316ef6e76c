"""Every file beside this one: broken ones give exactly the problems that they announce, good ones give none."""

from pathlib import Path

import pytest

from syncd.config.load import load_configuration
from syncd.errors import ConfigError
from syncd.worker.judge import checkers

FOLDER = Path(__file__).parent
BAD = sorted(FOLDER.glob("*.bad.yaml"))
GOOD = sorted(FOLDER.glob("*.good.yaml"))
ANNOUNCEMENT = "# expect: "
ENVIRON = {"CORPUS_PORT": "5432", "CORPUS_SECRET": "planted-secret", "STATE_DIRECTORY": "/nonexistent"}
SECRETS = ("planted-secret", "5ad1", "5817293")


def name_of(path: Path) -> str:
    return path.name.removesuffix(".yaml").removesuffix(".bad").removesuffix(".good")


def announced(path: Path) -> list[str]:
    lines = path.read_bytes().decode().split("\n")
    return [line.removeprefix(ANNOUNCEMENT) for line in lines if line.startswith(ANNOUNCEMENT)]


def problems_of(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_configuration(path, checkers(), ENVIRON)
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


def test_corpus_has_at_least_120_broken_files() -> None:
    assert len(BAD) >= 120


@pytest.mark.parametrize("path", BAD, ids=name_of)
def test_broken_file_gives_every_problem_it_announces_and_no_other(path: Path) -> None:
    expected = announced(path)

    problems = problems_of(path)

    assert expected
    assert problems == expected


@pytest.mark.parametrize("path", BAD, ids=name_of)
def test_no_problem_repeats_a_planted_secret(path: Path) -> None:
    text = "\n".join(problems_of(path))

    assert not [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize("path", GOOD, ids=name_of)
def test_good_file_is_taken(path: Path) -> None:
    configuration = load_configuration(path, checkers(), ENVIRON)

    assert configuration.files == (str(path),)
