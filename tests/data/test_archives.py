"""Unpacking: what honest archives become, and that hostile or damaged ones leave nothing behind."""

import contextlib
import gzip
import io
import shutil
import stat
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

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
def test_a_lone_top_folder_is_left_out_of_the_result(make: Make, tmp_path: Path, out: Path) -> None:
    content = extract(make(tmp_path / "archive", FILES), out)
    assert content == out / "facades"
    assert read_back(content) == {"train/1.jpg": b"one" * 50, "val/2.jpg": b"two" * 50}


@MAKERS
@pytest.mark.parametrize(
    "files",
    [
        {"train/1.jpg": b"1", "val/2.jpg": b"2"},
        {"./train/1.jpg": b"1", "./val/2.jpg": b"2"},
        {"train/1.jpg": b"1", "train/2.jpg": b"2"},  # one split: its name must not be lost
        {"1.jpg": b"1"},
    ],
    ids=["two tops", "dotted", "one split", "bare"],
)
def test_other_layouts_are_unpacked_as_they_are(make: Make, files: dict[str, bytes], tmp_path: Path, out: Path) -> None:
    assert extract(make(tmp_path / "archive", files), out) == out
    assert read_back(out) == {name.removeprefix("./"): data for name, data in files.items()}


def test_folders_and_long_names_are_unpacked(tmp_path: Path, out: Path) -> None:
    name = "photos/" + "n" * 180 + ".jpg"  # needs an extended header
    folders = [tar_member(each, type=tarfile.DIRTYPE) for each in (".", "./photos", "./empty")]
    content = extract(tar_gz(tmp_path / "archive", *folders, tar_member(name, b"image")), out)
    assert read_back(content) == {name: b"image"}
    assert (content / "empty").is_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_modes_of_the_archive_are_not_restored(tmp_path: Path, out: Path) -> None:
    content = extract(tar_gz(tmp_path / "archive", tar_member("a.jpg", b"x", mode=0o6777)), out)
    assert stat.S_IMODE((content / "a.jpg").stat().st_mode) & 0o7111 == 0


@MAKERS
@pytest.mark.parametrize(
    "name",
    [
        "../evil.jpg",
        "facades/../../evil.jpg",
        "..\\evil.jpg",
        "facades/.. /evil.jpg",
        "/evil.jpg",
        "\\evil.jpg",
        "//server/share/evil.jpg",
        "C:/evil.jpg",
        "facades/C:evil.jpg",
        "facades/caf\u00e9.jpg",
        "facades/\u202egpj.exe",
        "facades/a\nb.jpg",
        "/".join("a" * 9),
    ],
)
def test_unsafe_names_are_refused(make: Make, name: str, tmp_path: Path, out: Path) -> None:
    with pytest.raises(ArchiveError, match="its name"):
        extract(make(tmp_path / "archive", FILES | {name: b"evil"}), out)
    assert not out.exists()


def test_a_name_that_is_not_unicode_is_refused(tmp_path: Path, out: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w:gz", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("facades/\udcff.jpg"))
    with pytest.raises(ArchiveError, match="ASCII"):
        extract(tmp_path / "archive", out)


@pytest.mark.parametrize("name", ["a.jpg\0.exe", "\0"])
def test_a_zip_name_with_a_nul_byte_is_refused(name: str, tmp_path: Path, out: Path) -> None:
    path = make_zip(tmp_path / "archive", {name.replace("\0", "%"): b"x"})
    path.write_bytes(path.read_bytes().replace(b"%", b"\0"))
    with pytest.raises(ArchiveError):
        extract(path, out)
    assert not out.exists()


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.GNUTYPE_SPARSE,
    ],
    ids=["symlink", "hard link", "character device", "block device", "fifo", "sparse"],
)
def test_special_tar_members_are_refused(kind: bytes, tmp_path: Path, out: Path) -> None:
    members = [
        tar_member("facades/train", type=kind, linkname="../../.."),
        tar_member("facades/train/1.jpg", b"x"),
    ]
    with pytest.raises(ArchiveError, match="no plain file or folder"):
        extract(tar_gz(tmp_path / "archive", *members), out)
    assert not out.exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_special_zip_members_are_refused(kind: int, tmp_path: Path, out: Path) -> None:
    info = zipfile.ZipInfo("facades/train")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "archive", "w") as file:
        file.writestr(info, "../../..")
    with pytest.raises(ArchiveError, match="no plain file or folder"):
        extract(tmp_path / "archive", out)
    assert not out.exists()


@MAKERS
@pytest.mark.parametrize("second", ["a//1.jpg", "a/1.jpg/2.jpg", "a/./1.jpg", "a\\1.jpg", "."])
def test_a_member_that_overwrites_another_is_refused(make: Make, second: str, tmp_path: Path, out: Path) -> None:
    with pytest.raises(ArchiveError, match="overwrite"):
        extract(make(tmp_path / "archive", {"a/1.jpg": b"1", second: b"2"}), out)
    assert not out.exists()


@MAKERS
def test_a_bomb_is_stopped_at_the_limit_while_writing(make: Make, tmp_path: Path, out: Path) -> None:
    archive = make(tmp_path / "archive", {"a.jpg": bytes(900), "b.jpg": bytes(101)})
    with pytest.raises(ArchiveError, match="more than 1,000 bytes"):
        extract(archive, out, max_bytes=1000)
    assert not out.exists()
    assert extract(archive, out, max_bytes=1001) == out


def test_a_zip_that_declares_less_than_it_holds_is_refused(tmp_path: Path, out: Path) -> None:
    path = make_zip(tmp_path / "archive", {"a.jpg": bytes(100_000)})
    path.write_bytes(path.read_bytes().replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(ArchiveError, match="damaged"):
        extract(path, out)
    assert not out.exists()


@MAKERS
def test_too_many_members_are_refused(make: Make, tmp_path: Path, out: Path) -> None:
    archive = make(tmp_path / "archive", {f"{number}.jpg": b"" for number in range(11)})
    with pytest.raises(ArchiveError, match="more than 10 members"):
        extract(archive, out, max_members=10)
    assert not out.exists()
    assert extract(archive, out, max_members=11) == out


def test_a_tar_header_cannot_fill_the_memory(tmp_path: Path, out: Path) -> None:
    bomb = tar_member("a.jpg", b"x", pax_headers={"comment": "x" * (2 * archives.HEADER_BYTES)})
    with pytest.raises(ArchiveError, match="headers"):
        extract(tar_gz(tmp_path / "archive", tar_member("0.jpg", b"0"), bomb), out)
    assert not out.exists()


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


def test_a_damaged_header_inside_a_sound_gzip_is_refused(tmp_path: Path, out: Path) -> None:
    archive = make_tar(tmp_path / "archive", {f"{number}.jpg": b"x" * 512 for number in range(40)})
    plain = bytearray(gzip.decompress(archive.read_bytes()))
    plain[10 * 1024] ^= 1  # the first letter of the eleventh name: its header's checksum is wrong now
    archive.write_bytes(gzip.compress(plain))
    with pytest.raises(ArchiveError, match="more data follows"):
        extract(archive, out)
    assert not out.exists()


def test_a_web_page_is_named_as_what_it_is(tmp_path: Path, out: Path) -> None:
    (tmp_path / "archive").write_bytes(b"<!DOCTYPE html><title>Not found</title>")
    with pytest.raises(ArchiveError, match=r"neither a tar\.gz nor a zip: it begins with b'<!DOCTYPE html>"):
        extract(tmp_path / "archive", out)


@MAKERS
def test_an_empty_archive_is_refused(make: Make, tmp_path: Path, out: Path) -> None:
    with pytest.raises(ArchiveError):
        extract(make(tmp_path / "archive", {}), out)
    assert not out.exists()


def test_an_existing_folder_is_left_alone(tmp_path: Path, out: Path) -> None:
    out.mkdir()
    (out / "mine.jpg").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        extract(make_tar(tmp_path / "archive", FILES), out)
    assert read_back(out) == {"mine.jpg": b"mine"}


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


@MAKERS
@pytest.mark.parametrize("name", ["사진/집.jpg", "照片/房子.jpg", "façade.jpg"])
def test_names_of_any_script_are_unpacked_where_that_is_asked_for(
    make: Make, name: str, tmp_path: Path, out: Path
) -> None:
    archive = make(tmp_path / "archive", {name: b"one"})
    with pytest.raises(ArchiveError, match="not printable ASCII"):
        extract(archive, out)
    extract(archive, out, any_script=True)
    assert (out / name).read_bytes() == b"one"


@MAKERS
@pytest.mark.parametrize("name", ["．．/1.jpg", "a／../1.jpg", "C：/1.jpg", "집\u202e.jpg", "../집.jpg"])  # noqa: RUF001
def test_letters_that_some_system_reads_as_a_way_out_are_refused(
    make: Make, name: str, tmp_path: Path, out: Path
) -> None:
    with pytest.raises(ArchiveError, match="is refused"):
        extract(make(tmp_path / "archive", {name: b"one"}), out, any_script=True)
    assert not out.exists()
