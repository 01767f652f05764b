"""Downloading named datasets, from mirrors on the loopback that misbehave as told."""

import hashlib
import io
import signal
import subprocess
import sys
import tarfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

import train
from cyclegan.data import archives, downloads
from cyclegan.data.downloads import Archive, DownloadError, data_root
from cyclegan.data.named_datasets import DATASETS, IDX_FILE, NamedDataset, fetch
from tests.conftest import idx_bytes, make_squares, wait_until
from tests.hub_server import LoopbackHub


def draw_pair() -> bytes:
    """A side-by-side pair, as JPEG."""
    buffer = io.BytesIO()
    Image.effect_noise((128, 64), 50).save(buffer, "JPEG")
    return buffer.getvalue()


def tar_gz(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in files.items():
            file.writestr(name, data)
    return buffer.getvalue()


IMAGES = {name: draw_pair() for name in ("train/1.jpg", "train/2.jpg", "val/1.jpg")}
TAR = tar_gz({f"facades/{name}": data for name, data in IMAGES.items()})
OTHER = tar_gz({"facades/train/other.jpg": draw_pair(), "facades/val/other.jpg": draw_pair()})
FIRST, SECOND = ("/owner/first/resolve/main/facades.tar.gz", "/owner/second/resolve/main/facades.tar.gz")


def publish(hub: LoopbackHub, name: str, content: bytes) -> None:
    hub.publish(f"owner/{name}", {"facades.tar.gz": content})


@pytest.fixture
def mirrors(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> LoopbackHub:
    """Two mirrors of facades in repositories of the Hub, the second one empty."""
    monkeypatch.setattr(downloads, "RETRY_DELAYS", (0.0, 0.0))
    monkeypatch.delenv("CYCLEGAN_MIRROR", raising=False)
    archives = tuple(Archive(f"{hub.url}{path}") for path in (FIRST, SECOND))
    monkeypatch.setitem(DATASETS, "facades", NamedDataset(("photo", "labels"), archives))
    publish(hub, "first", TAR)
    return hub


def requests(hub: LoopbackHub) -> list[tuple[str, str | None]]:
    """Path and range of each."""
    return [(asked.path, asked.range) for asked in hub.requests]


def assert_complete(root: Path) -> None:
    """The images are there, and nothing else: no part, no temporary folder."""
    assert [path.name for path in root.iterdir()] == ["facades"]
    folder = root / "facades"
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}
    assert files == IMAGES


HONEST: dict[str, tuple[list[dict[str, Any]], list[str | None]]] = {
    "at once": ([], [None]),
    "broken twice": ([{"truncate": 1000}, {"truncate": 500}], [None, "bytes=1000-", "bytes=1500-"]),
    "without ranges": ([{"truncate": 1000}, {"whole": True}], [None, "bytes=1000-"]),
    "busy": ([{"status": 503}, {"status": 503}], [None] * 3),
    "without length": ([{"chunked": True}], [None]),
}


@pytest.mark.parametrize(("faults", "ranges"), HONEST.values(), ids=HONEST)
@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_an_archive_becomes_a_folder(
    kind: str, faults: list[dict[str, Any]], ranges: list[str | None], mirrors: LoopbackHub, tmp_path: Path
) -> None:
    (tmp_path / "facades").mkdir()  # an empty folder is no dataset
    if kind == "zip":
        publish(mirrors, "first", zip_of({f"another name/{name}": data for name, data in IMAGES.items()}))
    for fault in faults:
        mirrors.fail(FIRST, times=1, **fault)
    assert fetch("facades", tmp_path) == fetch("facades", tmp_path) == tmp_path / "facades"
    assert_complete(tmp_path)
    assert requests(mirrors) == [(FIRST, each) for each in ranges], "what is there is not asked for again"


def test_a_transfer_that_always_breaks_says_what_to_do_and_is_continued_by_the_next_call(
    mirrors: LoopbackHub, tmp_path: Path
) -> None:
    mirrors.fail(FIRST, truncate=100)
    with pytest.raises(DownloadError, match="closed connection") as caught:
        fetch("facades", tmp_path)
    for part in (f"unpack {mirrors.url}{FIRST} yourself", f"{mirrors.url}{SECOND}: HTTP 40", "CYCLEGAN_MIRROR"):
        assert part in str(caught.value)
    assert not (tmp_path / "facades").exists() and len(mirrors.requests) == 4
    mirrors.faults.clear()
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert requests(mirrors)[4:] == [(FIRST, "bytes=300-")]


BAD: list[tuple[bytes, dict[str, Any], str, int]] = [
    (TAR, {"status": 403}, "HTTP 403", 1),
    (TAR, {"status": 429}, "HTTP 429", 3),
    (TAR, {"wait": 9}, "timed out", 3),
    (TAR, {"truncate": 0, "chunked": True}, "begins with b''", 1),
    (TAR[:-10], {}, "damaged", 1),
    (b"<html>Moved</html>", {}, "begins with b'<html>Moved", 1),
    (bytes(10**6), {}, "1,000,000 bytes there, more than 999,999", 1),
    (bytes(10**6), {"chunked": True}, "more than 999,999 bytes there", 1),
    (tar_gz({"../evil.jpg": b"evil"}), {}, "its name", 1),
    (tar_gz({"train/bomb.jpg": bytes(1 << 20)}), {}, "unpacks to more than", 1),
]


@pytest.mark.parametrize(("content", "fault", "message", "count"), BAD, ids=[message for _, _, message, _ in BAD])
def test_a_bad_mirror_is_left_for_the_next(
    content: bytes, fault: dict[str, Any], message: str, count: int, mirrors: LoopbackHub,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(downloads, "TIMEOUT_SECONDS", 0.2 if "wait" in fault else 5.0)
    monkeypatch.setattr(archives, "GROWTH_FLOOR_BYTES", 1 << 16)
    monkeypatch.setattr(downloads, "MAX_ARCHIVE_BYTES", 999_999)
    publish(mirrors, "first", content)
    publish(mirrors, "second", TAR)
    if fault:
        mirrors.fail(FIRST, **fault)
    root = tmp_path / "room" / "root"
    fetch("facades", root)
    assert_complete(root)
    assert [path for path, _ in requests(mirrors)] == [FIRST] * count + [SECOND]
    assert message in caplog.text
    assert [path.name for path in root.parent.iterdir()] == ["root"]


def test_ones_own_mirror_is_asked_first_and_held_to_the_checksum(
    mirrors: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, digest = DATASETS["facades"], hashlib.sha256(TAR).hexdigest()
    known = tuple(replace(archive, sha256=digest) for archive in dataset.archives)
    monkeypatch.setitem(DATASETS, "facades", replace(dataset, archives=known))
    own = SECOND.replace("second", "lab")
    monkeypatch.setenv("CYCLEGAN_MIRROR", mirrors.url + own.rpartition("/")[0])
    for name in ("lab", "first"):
        publish(mirrors, name, OTHER)
    with pytest.raises(DownloadError, match=hashlib.sha256(OTHER).hexdigest()):
        fetch("facades", tmp_path)
    publish(mirrors, "first", TAR)
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert requests(mirrors)[-2:] == [(own, None), (FIRST, None)], "wrong bytes are not kept"
    monkeypatch.setenv("CYCLEGAN_MIRROR", "/mnt/sets")
    with pytest.raises(DownloadError, match="CYCLEGAN_MIRROR is '/mnt/sets'"):
        fetch("facades", tmp_path / "elsewhere")


def test_a_disk_full_while_downloading_keeps_what_arrived(mirrors: LoopbackHub, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="needs the file size limit of Unix")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        with pytest.raises(DownloadError, match="Free some space"):
            fetch("facades", tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "facades").exists()
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert requests(mirrors) == [(FIRST, None), (FIRST, "bytes=1024-")]  # the disk is not the mirror's fault


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("when", ["downloading", "unpacking"])
def test_a_killed_call_is_continued_at_once_and_leaves_nothing(
    when: str, end: signal.Signals, mirrors: LoopbackHub, tmp_path: Path
) -> None:
    if when == "downloading":
        mirrors.fail(FIRST, times=1, truncate=1000, stall=True)
    code = (
        "import pathlib, sys, time\n"
        "from cyclegan.data import archives, downloads, named_datasets\n"
        "named_datasets.extract = lambda *paths: (archives.extract(*paths), time.sleep(60))\n"
        "url, root = sys.argv[1:]\n"
        "dataset = named_datasets.NamedDataset(('photo', 'labels'), (downloads.Archive(url),))\n"
        "named_datasets.DATASETS['facades'] = dataset\n"
        "named_datasets.fetch('facades', pathlib.Path(root))\n"
    )
    command = [sys.executable, "-c", code, f"{mirrors.url}{FIRST}", str(tmp_path)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:
        reached = "*.part" if when == "downloading" else "unpacked/**/*.jpg"
        wait_until(lambda: [path for path in tmp_path.glob(f".facades.parts/{reached}") if path.stat().st_size])
        process.send_signal(end)
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert requests(mirrors)[1:] == ([(FIRST, "bytes=1000-")] if when == "downloading" else [])


def test_two_calls_at_once_both_find_the_dataset(mirrors: LoopbackHub, tmp_path: Path) -> None:
    together = threading.Barrier(2, timeout=10)

    def call(_: int) -> Path:
        together.wait()
        return fetch("facades", tmp_path)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(call, range(2))) == [tmp_path / "facades"] * 2
    assert_complete(tmp_path)
    assert requests(mirrors) == [(FIRST, None)], "one downloads, the other waits"


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_has_archives_of_its_name_and_every_zip_is_verified(name: str) -> None:
    for archive in DATASETS[name].archives:
        if archive.filename == f"{IDX_FILE}.gz":
            assert archive.md5
            continue
        assert archive.filename in (f"{name}.tar.gz", f"{name}.zip", f"{name}-618x618-color.zip")
        if archive.filename == f"{name}.zip":
            assert archive.size
            assert archive.sha256
            assert len(bytes.fromhex(archive.sha256)) == 32
        elif archive.md5 is None:
            assert archive.url.startswith("https://"), "nothing else vouches for what has no checksum"


def test_a_plain_gan_trains_on_the_one_file_that_it_needs_or_says_why_not(
    mirrors: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content, path = idx_bytes(make_squares(70)), f"/owner/fashion/resolve/main/{IDX_FILE}.gz"
    archive = Archive(mirrors.url + path, md5=hashlib.md5(content).hexdigest())
    monkeypatch.setitem(DATASETS, "fashion-mnist", replace(DATASETS["fashion-mnist"], archives=(archive,)))
    mirrors.publish("owner/fashion", {f"{IDX_FILE}.gz": idx_bytes(make_squares(70, seed=1))})
    command = ["gan", "--data-root", str(tmp_path), "--out", str(tmp_path / "run"), "--epochs", "1", "--device", "cpu"]
    assert train.main(command) == 2
    message = capsys.readouterr().err
    assert "the archive has the md5" in message and "Traceback" not in message
    assert f"so that {tmp_path / 'fashion-mnist'} holds {IDX_FILE}" in message and not (tmp_path / "run").exists()
    mirrors.publish("owner/fashion", {f"{IDX_FILE}.gz": content})
    mirrors.fail(path, times=1, truncate=100)
    assert train.main([*command, "--generator.width", "4", "--discriminator.width", "4"]) == 0
    folder = tmp_path / "fashion-mnist"
    assert {path: path.read_bytes() for path in folder.iterdir()} == {folder / f"{IDX_FILE}.gz": content}
    assert requests(mirrors)[1:] == [(path, None), (path, "bytes=100-")]


def draw_emoji(fill: str) -> bytes:
    """A square with a black outline on a transparent background, as PNG."""
    image = Image.new("RGBA", (200, 200))
    ImageDraw.Draw(image).rectangle((30, 30, 170, 170), fill=fill, outline="black", width=6)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_openmoji_becomes_pairs_of_emoji_and_drawing_with_and_without_dabs(
    mirrors: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = [f"1F6{number:02}" for number in range(20)]
    left_out = ["1F44B-1F3FD", "1F1E6-1F1F6", "1F3F4-E0067-E007F", "E045"]
    color = {f"{code}.png": draw_emoji("red") for code in codes + left_out}
    black = {f"{code}.png": draw_emoji("white") for code in codes[1:]}
    archives = [Archive(f"{mirrors.url}/owner/{style}/resolve/main/{style}.zip") for style in ("color", "black")]
    dataset = replace(DATASETS["openmoji"], archives=(archives[0],), archive_b=archives[1])
    monkeypatch.setitem(DATASETS, "openmoji", dataset)
    mirrors.publish("owner/color", {"color.zip": zip_of(color)})
    mirrors.publish("owner/black", {"black.zip": zip_of(black)})
    with pytest.raises(DownloadError, match="do not fit together"):
        fetch("openmoji", tmp_path)
    mirrors.publish("owner/black", {"black.zip": zip_of({f"{codes[0]}.png": draw_emoji("white")} | black)})
    fetch("openmoji", tmp_path / "again")
    folder = tmp_path / "again" / "openmoji"
    kept = {split: sorted(path.name for path in (folder / split).iterdir()) for split in ("train", "val")}
    assert len(kept["train"]) == 2 * 19 and len(kept["val"]) == 2
    assert not any(code in name for code in left_out for names in kept.values() for name in names)
    for version, dabbed in (("plain", False), ("dabs", True)):
        pair = Image.open(folder / "train" / f"{codes[0]}-{version}.png")
        emoji, drawing = pair.crop((0, 0, 128, 128)), pair.crop((128, 0, 256, 128))
        assert emoji.getpixel((64, 64)) == (255, 0, 0) and emoji.getpixel((2, 2)) == (255, 255, 255)
        colors = {color for _, color in drawing.getcolors(1 << 14) or [] if isinstance(color, tuple)}
        assert ((255, 0, 0) in colors) == dabbed, "a dab has the colour that the emoji has there"


def test_the_root_is_the_argument_or_the_environment_or_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("CYCLEGAN_DATASETS", raising=False)
    assert data_root().as_posix() == "/xdg/cyclegan/datasets"
    monkeypatch.setenv("CYCLEGAN_DATASETS", "/sets")
    assert (data_root(), data_root(Path("/given"))) == (Path("/sets"), Path("/given"))
