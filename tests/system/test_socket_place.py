"""Where the control socket is put."""

import tempfile
from pathlib import Path

import pytest

from syncd.control.protocol import MAX_SOCKET_PATH_BYTES, socket_path
from syncd.errors import FatalError


def test_the_service_managers_folder_comes_first(tmp_path):
    environ = {"RUNTIME_DIRECTORY": f"{tmp_path}/run:/other", "XDG_RUNTIME_DIR": str(tmp_path)}

    assert socket_path(tmp_path / "state", environ) == tmp_path / "run" / "control.sock"


def test_the_users_folder_comes_next_with_a_name_per_state(tmp_path):
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    one, two = (socket_path(tmp_path / name, environ) for name in ("one", "two"))

    assert one.parent == two.parent == tmp_path / "syncd"
    assert one != two
    assert one.parent.stat().st_mode & 0o777 == 0o700


def test_the_state_folder_is_the_last_resort(tmp_path):
    assert socket_path(tmp_path / "state", {}) == tmp_path / "state" / "control.sock"


def test_a_name_that_is_too_long_moves_to_a_private_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    path = socket_path(tmp_path / ("x" * 120), {})

    assert len(bytes(path)) <= MAX_SOCKET_PATH_BYTES
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_may_write_is_refused(tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)

    with pytest.raises(FatalError, match="open to them"):
        socket_path(Path("state"), {"RUNTIME_DIRECTORY": str(folder)})
