"""Unpacking: what honest archives become, and that hostile or damaged ones leave nothing behind."""

import contextlib
import gzip
import io
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cyclegan.data import archives
from cyclegan.data.archives import ArchiveError, extract

FILES = {"facades/train/1.jpg": b"one" * 50, "facades/val/2.jpg": b"two" * 50}


def tar_member(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def tar_gz(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return path


def make_tar(path: Path, files: dict[str, bytes]) -> Path:
    return tar_gz(path, *(tar_member(name, data) for name, data in files.items()))


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            info = zipfile.ZipInfo("name")
            info.filename = info.orig_filename = name  # the constructor would clean it
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, data)
    return path


MAKERS = pytest.mark.parametrize("make", [make_tar, make_zip])
Make = Callable[[Path, dict[str, bytes]], Path]


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    """Where to unpack: three folders deep, and after the test nothing may lie around it."""
    room = tmp_path / "room"
    (room / "a" / "b").mkdir(parents=True)
    yield room / "a" / "b" / "out"
    around = {path.relative_to(room).as_posix() for path in room.rglob("*")}
    assert {name for name in around if not name.startswith("a/b/out")} == {"a", "a/b"}


def read_back(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@MAKERS
@pytest.mark.parametrize(
    ("files", "top"),
    [
        (FILES, "facades"),
        ({"./train/1.jpg": b"1", "./val/" + "n" * 180 + ".jpg": b"2"}, ""),  # needs an extended header
        ({"train/1.jpg": b"1", "train/2.jpg": b"2"}, ""),  # one split: its name must not be lost
        ({"1.jpg": b"1"}, ""),
    ],
    ids=["a lone top folder", "two tops", "one split", "bare"],
)
def test_an_archive_is_unpacked(make: Make, files: dict[str, bytes], top: str, tmp_path: Path, out: Path) -> None:
    content = extract(make(tmp_path / "archive", files), out)
    assert content == out / top
    assert read_back(content) == {name.removeprefix("./").removeprefix("facades/"): files[name] for name in files}
    with pytest.raises(FileExistsError):
        extract(make(tmp_path / "archive", files), out)
    assert content.exists(), "what is there is left alone"


@MAKERS
def test_names_of_any_script_are_unpacked_if_that_is_asked_for(make: Make, tmp_path: Path, out: Path) -> None:
    files = {"사진/집.jpg": b"one", "照片/房子.jpg": b"two"}
    with pytest.raises(ArchiveError, match="not printable ASCII"):
        extract(make(tmp_path / "archive", files), out)
    assert read_back(extract(make(tmp_path / "archive", files), out, any_script=True)) == files


@MAKERS
@pytest.mark.parametrize("any_script", [False, True])
@pytest.mark.parametrize(
    "name",
    [
        "../evil.jpg", "facades/../../evil.jpg", "..\\evil.jpg", "facades/.. /evil.jpg", "/evil.jpg", "\\evil.jpg",
        "//server/share/evil.jpg", "C:/evil.jpg", "facades/C:evil.jpg", "facades/\u202egpj.exe", "facades/a\nb.jpg",
        "/".join("a" * 9), "．．/1.jpg", "a／../1.jpg", "C：/1.jpg",  # noqa: RUF001
    ],
)  # fmt: skip
def test_unsafe_names_are_refused(make: Make, any_script: bool, name: str, tmp_path: Path, out: Path) -> None:
    with pytest.raises(ArchiveError, match="its name"):
        extract(make(tmp_path / "archive", FILES | {name: b"evil"}), out, any_script=any_script)
    assert not out.exists()


def zip_of_type(path: Path, kind: int) -> Path:
    info = zipfile.ZipInfo("facades/train")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(info, "../../..")
    return path


def tar_of_type(path: Path, kind: bytes) -> Path:
    return tar_gz(path, tar_member("facades/train", type=kind, linkname="../../.."))


def lying_zip(path: Path) -> Path:
    """A zip that declares less than it holds."""
    make_zip(path, {"a.jpg": bytes(100_000)})
    path.write_bytes(path.read_bytes().replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    return path


def nul_zip(path: Path) -> Path:
    make_zip(path, {"a.jpg%.exe": b"x"})
    path.write_bytes(path.read_bytes().replace(b"%", b"\0"))
    return path


def broken_tar(path: Path) -> Path:
    """A damaged header inside of a sound gzip: the checksum of the eleventh one is wrong."""
    plain = bytearray(gzip.decompress(make_tar(path, {f"{n}.jpg": b"x" * 512 for n in range(40)}).read_bytes()))
    plain[10 * 1024] ^= 1
    path.write_bytes(gzip.compress(plain))
    return path


def text(path: Path) -> Path:
    path.write_bytes(b"<!DOCTYPE html><title>Not found</title>")
    return path


def header_bomb(path: Path) -> Path:
    bomb = tar_member("a.jpg", b"x", pax_headers={"comment": "x" * (2 * archives.HEADER_BYTES)})
    return tar_gz(path, tar_member("0.jpg", b"0"), bomb)


SPECIAL_TAR = "SYMTYPE", "LNKTYPE", "CHRTYPE", "FIFOTYPE", "GNUTYPE_SPARSE"
HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    **{kind: (partial(tar_of_type, kind=getattr(tarfile, kind)), "no plain file or folder") for kind in SPECIAL_TAR},
    "symlink in a zip": (partial(zip_of_type, kind=stat.S_IFLNK), "no plain file or folder"),
    "fifo in a zip": (partial(zip_of_type, kind=stat.S_IFIFO), "no plain file or folder"),
    "a zip that lies": (lying_zip, "damaged"),
    "a NUL byte": (nul_zip, "its name"),
    "a tar with a damaged header": (broken_tar, "more data follows"),
    "a header bomb": (header_bomb, "headers"),
    "a web page": (text, r"neither a tar\.gz nor a zip: it begins with b'<!DOCTYPE html>"),
    "an empty zip": (partial(make_zip, files={}), "neither"),
    "an empty tar": (partial(make_tar, files={}), "empty"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_and_damaged_archives_are_refused(name: str, tmp_path: Path, out: Path) -> None:
    make, message = HOSTILE[name]
    with pytest.raises(ArchiveError, match=message):
        extract(make(tmp_path / "archive"), out)
    assert not out.exists()


@MAKERS
@pytest.mark.parametrize("second", ["a//1.jpg", "a/1.jpg/2.jpg", "a\\1.jpg", "."])
def test_a_member_that_overwrites_another_is_refused(make: Make, second: str, tmp_path: Path, out: Path) -> None:
    with pytest.raises(ArchiveError, match="overwrite"):
        extract(make(tmp_path / "archive", {"a/1.jpg": b"1", second: b"2"}), out)
    assert not out.exists()


@MAKERS
@pytest.mark.parametrize(
    ("limit", "message"),
    [({"max_bytes": 1000}, "more than 1,000 bytes"), ({"max_members": 1}, "more than 1 members")],
)
def test_a_bomb_is_stopped_at_the_limit_while_writing(
    make: Make, limit: dict[str, Any], message: str, tmp_path: Path, out: Path
) -> None:
    archive = make(tmp_path / "archive", {"a.jpg": bytes(900), "b.jpg": bytes(101)})
    with pytest.raises(ArchiveError, match=message):
        extract(archive, out, **limit)
    assert not out.exists()
    assert extract(archive, out, **{name: value + 1 for name, value in limit.items()}) == out


@MAKERS
def test_an_archive_cut_anywhere_is_refused(make: Make, tmp_path: Path, out: Path) -> None:
    whole = make(tmp_path / "archive", FILES).read_bytes()
    for length in range(len(whole)):
        (tmp_path / "archive").write_bytes(whole[:length])
        with pytest.raises(ArchiveError):
            extract(tmp_path / "archive", out)
        assert not out.exists()


@MAKERS
def test_a_flipped_bit_gives_the_true_files_or_an_archive_error(make: Make, tmp_path: Path, out: Path) -> None:
    whole = make(tmp_path / "archive", FILES).read_bytes()
    refused = 0
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        (tmp_path / "archive").write_bytes(damaged)
        with contextlib.suppress(ArchiveError):
            content = extract(tmp_path / "archive", out)
            assert set(read_back(content).values()) <= {b"one" * 50, b"two" * 50}, position
            content.rename(out.with_name("out-done"))
        refused += not out.with_name("out-done").exists()
        for folder in (out, out.with_name("out-done")):
            shutil.rmtree(folder, ignore_errors=True)
    assert refused > len(whole) / 2


def test_a_full_disk_is_an_os_error_and_leaves_nothing(tmp_path: Path, out: Path) -> None:
    resource = pytest.importorskip("resource", reason="needs the file size limit of Unix")
    archive = make_tar(tmp_path / "archive", {"small.jpg": b"x", "large.jpg": bytes(1 << 20)})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, limits[1]))
    try:
        with pytest.raises(OSError, match="large"):
            extract(archive, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not out.exists()
