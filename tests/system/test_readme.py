"""Every command of the README's tour is run, in order, in one shell, and ends as the README says."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXIT = re.compile(r"#\s*exit (\d+)\s*$")


def commands_of(page: Path) -> list[tuple[str, int]]:
    """The commands of all console blocks with the exit code that the page announces (else 0)."""
    text = page.read_text(encoding="utf-8")
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            assert line.startswith("$ "), f"not a command: {line}"
            announced = EXIT.search(line)
            found.append((line[2:], int(announced.group(1)) if announced else 0))
    return found


def shell_script(commands: list[tuple[str, int]]) -> str:
    """One bash script that stops at the first command which ends otherwise than announced."""
    lines = ["set -m", "trap 'kill -9 $(jobs -p) 2>/dev/null' EXIT"]
    for command, code in commands:
        lines.append(f"echo '$' {quoted(command)}")
        lines.append(command)
        if not command.rstrip().endswith("&"):
            lines.append(
                f'code=$?; if [ "$code" != {code} ]; then echo "exit $code, not {code}"; exit 99; fi'
            )
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A text as one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def run_commands(commands: list[tuple[str, int]], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run them in one shell, in that folder, with the installed program first on the path."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
    }
    return subprocess.run(
        ["bash", "-c", shell_script(commands)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_the_tour_has_all_its_commands() -> None:
    commands = [command for command, _ in commands_of(ROOT / "README.md")]

    assert len(commands) >= 25
    for word in (
        "demo",
        "check",
        "plan",
        "sync",
        "copy",
        "run",
        "status",
        "reload",
        "next",
        "why",
        "logs",
        "init",
        "cluster",
        "conflicts",
    ):
        assert any(command.startswith(f"syncd {word}") for command in commands), word


def test_every_command_of_the_tour_works(tmp_path: Path) -> None:
    done = run_commands(commands_of(ROOT / "README.md"), tmp_path)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stdout + done.stderr
    assert "shop: ok, nothing to do" in done.stdout
    assert done.stdout.count("1 conflict was decided by policy") == 2
    assert "roads: all children hold what the parent holds" in done.stdout
    assert "did you mean 'check_column'" in done.stdout + done.stderr
