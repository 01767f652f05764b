"""Atomic files: the old content or the new one, never less, and nothing left lying about."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NoReturn

import pytest

from cyclegan.runtime.files import STRAY_PREFIX, new_folder, read_small, sweep_strays, write_atomically


def failing(error: BaseException) -> Callable[[BinaryIO], NoReturn]:
    """A writer that writes something, and then fails."""

    def write(file: BinaryIO) -> NoReturn:
        file.write(b"half of the new")
        raise error

    return write


def by_torch(error: OSError) -> RuntimeError:
    """What torch.save raises on a full disk, whose message speaks of positions."""
    raised = RuntimeError("unexpected pos 64 vs 0")
    raised.__context__ = error
    return raised


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    return path


def assert_untouched(old: Path) -> None:
    assert [path.name for path in old.parent.iterdir()] == [old.name]
    assert old.read_bytes() == b"old"


@pytest.mark.parametrize("content", [b"new", lambda file: file.write(b"new")], ids=["bytes", "writer"])
def test_content_is_replaced(content: bytes | Callable[[BinaryIO], object], old: Path) -> None:
    write_atomically(old, content)
    assert old.read_bytes() == b"new"
    assert list(old.parent.iterdir()) == [old]


def test_a_new_file_has_the_permissions_that_any_new_file_has(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_atomically(tmp_path / "ours", b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "ours")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; free some space"),
        (OSError(errno.EACCES, "Permission denied"), "Permission denied"),
        (OSError("what Pillow says"), "what Pillow says"),
        (by_torch(OSError(errno.ENOSPC, "No space left on device")), "No space left on device; free some space"),
    ],
)
def test_a_failing_write_leaves_the_old_content_and_says_why(error: Exception, reason: str, old: Path) -> None:
    with pytest.raises(OSError, match=f"cannot write {old}: {reason}") as caught:
        write_atomically(old, failing(error))
    assert "None" not in str(caught.value)
    assert ("free some space" in str(caught.value)) == ("free some space" in reason)
    assert_untouched(old)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("a bug"), RuntimeError("another")])
def test_what_is_no_fault_of_the_disk_goes_through(error: BaseException, old: Path) -> None:
    with pytest.raises(type(error)) as caught:
        write_atomically(old, failing(error))
    assert caught.value is error
    assert_untouched(old)


def test_strays_of_a_killed_process_are_swept_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "snapshots").mkdir()
    code = (
        "import os, sys, pathlib\n"
        "from cyclegan.runtime.files import write_atomically\n"
        "write_atomically(pathlib.Path(sys.argv[1]), lambda file: os._exit(9))\n"
    )
    for name in ("run.json", "snapshots/model.safetensors"):
        (tmp_path / name).write_bytes(b"old")
        assert subprocess.run([sys.executable, "-c", code, str(tmp_path / name)]).returncode == 9
    assert len(list(tmp_path.rglob(f"{STRAY_PREFIX}*"))) == 2
    sweep_strays(tmp_path)
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert files == ["run.json", "snapshots/model.safetensors"]


def test_a_new_folder_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "new"
    with new_folder(path) as folder:
        (folder / "file").touch()
        assert not path.exists()
    assert list(path.parent.iterdir()) == [path]
    assert [each.name for each in path.iterdir()] == ["file"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o755


@pytest.mark.parametrize("late", ["a folder that is not empty", "a file"])
def test_what_is_in_the_way_of_a_new_folder_stays(late: str, tmp_path: Path) -> None:
    path = tmp_path / "new"
    with pytest.raises(OSError), new_folder(path):
        late_file = path if late == "a file" else path / "file"
        late_file.parent.mkdir(exist_ok=True)
        late_file.write_bytes(b"old")
    assert list(tmp_path.iterdir()) == [path]
    assert late_file.read_bytes() == b"old"


def test_a_new_folder_is_gone_when_filling_it_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "new") as folder:
        (folder / "file").touch()
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no FIFOs")
@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "large"])
def test_only_a_small_regular_file_is_read_and_nothing_else_waited_for(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert read_small(path, 3) == b"abc"
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(2**40)
    reason = "it has 1048576.0 MB, more than 1" if kind == "large" else "no regular file"
    with pytest.raises(OSError, match=reason):
        read_small(path, 2**20)
