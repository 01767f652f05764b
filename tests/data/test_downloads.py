"""Downloading named datasets, against a real server on the loopback that misbehaves as told."""

import gzip
import hashlib
import io
import logging
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

import train
from cyclegan.data import archives, transfers
from cyclegan.data.downloads import DATASETS, IDX_FILE, DownloadError, NamedDataset, data_root, fetch
from cyclegan.data.transfers import Archive
from cyclegan.runs.run import Run
from tests.conftest import idx_bytes, make_squares, wait_until


@dataclass(frozen=True)
class Reply:
    """What the server does with a request: by default, what a good server does."""

    body: bytes = b""
    status: int = 200
    etag: str = '"v1"'
    modified: str = ""
    ranges: bool = True
    cut: int | None = None  # bytes of the body after which the connection is closed
    declared: int | None = None  # a lie about the length
    chunked: bool = False
    silent: bool = False
    pause: int | None = None  # bytes of the body after which nothing comes for as long as the test runs


class Mirror(ThreadingHTTPServer):
    """Answers requests for a path with its replies in turn, the last one for ever, and remembers requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies: dict[str, list[Reply]] = {}
        self.requests: list[tuple[str, str | None]] = []  # path and Range
        self.agents: set[str | None] = set()
        self.closing = threading.Event()

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.server_port}/{path.removeprefix('/')}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""


class Handler(BaseHTTPRequestHandler):
    server: Mirror
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers["Range"]))
        self.server.agents.add(self.headers["User-Agent"])
        replies = self.server.replies.get(self.path, [Reply(status=404)])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        self.close_connection = True
        if reply.silent:
            self.server.closing.wait(10)
            return
        first, status = 0, reply.status
        same = self.headers["If-Range"] in (reply.etag, reply.modified)
        if status == 200 and reply.ranges and self.headers["Range"] and same:
            first, status = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-")), 206
            status = 206 if first < len(reply.body) else 416
        self.send_response(status)
        body = reply.body[first:]
        if status == 206:
            last = len(reply.body) - 1
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(reply.body)}")
        if reply.etag:
            self.send_header("ETag", reply.etag)
        if reply.modified:
            self.send_header("Last-Modified", reply.modified)
        if reply.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(body), body))
            self.wfile.write(b"0\r\n\r\n" if reply.cut is None else b"")
        else:
            self.send_header("Content-Length", str(len(body) if reply.declared is None else reply.declared))
            self.end_headers()
            self.wfile.write(body[: reply.cut if reply.pause is None else reply.pause])
            if reply.pause is not None:
                self.wfile.flush()
                self.server.closing.wait(30)

    def log_message(self, format: str, *args: object) -> None:
        pass


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
GOOD = Reply(TAR)
FIRST, SECOND = "/first/facades.tar.gz", "/second/facades.tar.gz"


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A server with two mirrors of facades, and nothing on the second."""
    monkeypatch.setattr(transfers, "RETRY_DELAYS", (0.0, 0.0))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("CYCLEGAN_MIRROR", raising=False)
    with Mirror() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        urls = Archive(server.url(FIRST)), Archive(server.url(SECOND))
        monkeypatch.setitem(DATASETS, "facades", NamedDataset(("photo", "labels"), urls))
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


def publish(monkeypatch: pytest.MonkeyPatch, *, sha256: str | None = None, size: int | None = None) -> None:
    """Make checksum or size of the archives known."""
    dataset = DATASETS["facades"]
    known = tuple(replace(archive, sha256=sha256, size=size) for archive in dataset.archives)
    monkeypatch.setitem(DATASETS, "facades", replace(dataset, archives=known))


def assert_complete(root: Path) -> None:
    """The images are there, and nothing else: no part, no temporary folder."""
    assert [path.name for path in root.iterdir()] == ["facades"]
    folder = root / "facades"
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}
    assert files == IMAGES


@contextmanager
def disk_full_at(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes."""
    resource = pytest.importorskip("resource", reason="needs the file size limit of Unix")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_tar_gz_becomes_a_folder(mirror: Mirror, tmp_path: Path) -> None:
    mirror.replies[FIRST] = [GOOD]
    assert fetch("facades", tmp_path) == tmp_path / "facades"
    assert_complete(tmp_path)
    assert mirror.requests == [(FIRST, None)]
    assert mirror.agents == {"cyclegan-pix2pix-demo"}


@pytest.mark.parametrize("top", ["", "facades/", "another name/"])
def test_a_zip_becomes_a_folder_whatever_its_top(top: str, mirror: Mirror, tmp_path: Path) -> None:
    mirror.replies[FIRST] = [Reply(zip_of({top + name: data for name, data in IMAGES.items()}))]
    fetch("facades", tmp_path)
    assert_complete(tmp_path)


def test_a_dataset_that_is_there_asks_for_nothing(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "facades" / "train").mkdir(parents=True)
    assert fetch("facades", tmp_path) == tmp_path / "facades"
    assert mirror.requests == []
    assert [path.name for path in tmp_path.iterdir()] == ["facades"]


def test_an_empty_folder_is_no_dataset(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "facades").mkdir()
    mirror.replies[FIRST] = [GOOD]
    fetch("facades", tmp_path)
    assert_complete(tmp_path)


def test_a_broken_transfer_continues_where_it_broke(mirror: Mirror, tmp_path: Path) -> None:
    mirror.replies[FIRST] = [Reply(TAR, cut=1000), Reply(TAR, cut=500), GOOD]
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert mirror.requests == [(FIRST, None), (FIRST, "bytes=1000-"), (FIRST, "bytes=1500-")]


def test_a_transfer_that_always_breaks_is_continued_by_the_next_call(mirror: Mirror, tmp_path: Path) -> None:
    mirror.replies[FIRST] = [Reply(TAR, cut=100)]
    with pytest.raises(DownloadError, match="closed connection"):
        fetch("facades", tmp_path)
    assert not (tmp_path / "facades").exists()
    assert len(mirror.requests) == 4  # three attempts, and the second mirror's 404
    mirror.replies[FIRST] = [GOOD]
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert mirror.requests[4:] == [(FIRST, "bytes=300-")]


@pytest.mark.parametrize(
    "replies",
    [
        [Reply(TAR, cut=1000), Reply(TAR, ranges=False)],
        [Reply(OTHER, etag='"v0"', cut=1000), GOOD],
        [Reply(status=503), Reply(status=503), GOOD],
        [Reply(TAR, chunked=True)],
    ],
    ids=["no ranges", "another version", "busy", "no length"],
)
def test_other_answers_give_the_true_archive(replies: list[Reply], mirror: Mirror, tmp_path: Path) -> None:
    count = len(replies)
    mirror.replies[FIRST] = replies
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert len(mirror.requests) == count


@pytest.mark.parametrize(
    ("etag", "modified", "asked"),
    [
        ('W/"v1"', "", None),
        ("", "", None),
        ("", "Wed, 21 Oct 2015 07:28:00 GMT", "bytes=1000-"),
        ('W/"v1"', "Wed, 21 Oct 2015 07:28:00 GMT", "bytes=1000-"),
    ],
)
def test_only_a_sure_validator_continues_a_transfer(
    etag: str, modified: str, asked: str | None, mirror: Mirror, tmp_path: Path
) -> None:
    reply = Reply(TAR, etag=etag, modified=modified)
    mirror.replies[FIRST] = [replace(reply, cut=1000), reply]
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert mirror.requests == [(FIRST, None), (FIRST, asked)]


@pytest.mark.parametrize(
    ("bad", "message", "requests"),
    [
        (Reply(status=404), "HTTP 404", 1),
        (Reply(status=403), "HTTP 403", 1),
        (Reply(status=503), "HTTP 503", 3),
        (Reply(status=429), "HTTP 429", 3),
        (Reply(silent=True), "timed out", 3),
        (Reply(TAR, cut=0), "closed connection", 3),
        (Reply(TAR, cut=0, chunked=True), "closed connection", 3),
        (Reply(TAR, declared=len(TAR) + 10), "closed connection", 3),
        (Reply(TAR, declared=len(TAR) - 10), "damaged", 1),
        (Reply(TAR[:-10]), "damaged", 1),
        (Reply(b"<html>Moved</html>"), "begins with b'<html>Moved", 1),
        (Reply(b""), "begins with b''", 1),
        (Reply(tar_gz({"../evil.jpg": b"evil"})), "its name", 1),
        (Reply(tar_gz({"train/bomb.jpg": bytes(1 << 20)})), "unpacks to more than", 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_mirror_is_left_for_the_next(
    bad: Reply,
    message: str,
    requests: int,
    mirror: Mirror,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(transfers, "TIMEOUT_SECONDS", 0.1 if bad.silent else 5.0)
    monkeypatch.setattr(archives, "GROWTH_FLOOR_BYTES", 1 << 16)
    root = tmp_path / "room" / "root"
    mirror.replies = {FIRST: [bad], SECOND: [GOOD]}
    fetch("facades", root)
    assert_complete(root)
    assert [path for path, _ in mirror.requests] == [FIRST] * requests + [SECOND]
    assert message in caplog.text
    assert [path.name for path in root.parent.iterdir()] == ["root"]


def test_a_server_that_is_down_is_left_for_the_next(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/facades.tar.gz"
    dataset = DATASETS["facades"]
    monkeypatch.setitem(DATASETS, "facades", replace(dataset, archives=(Archive(url), *dataset.archives)))
    mirror.replies[FIRST] = [GOOD]
    fetch("facades", tmp_path)
    assert_complete(tmp_path)


def test_a_wrong_checksum_is_refused_and_its_bytes_are_not_kept(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, sha256=hashlib.sha256(TAR).hexdigest())
    mirror.replies = {FIRST: [Reply(OTHER)], SECOND: [Reply(OTHER)]}
    with pytest.raises(DownloadError, match=hashlib.sha256(OTHER).hexdigest()):
        fetch("facades", tmp_path)
    assert not (tmp_path / "facades").exists()
    mirror.replies[SECOND] = [GOOD]
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert mirror.requests == [(FIRST, None), (SECOND, None)] * 2


def test_a_wrong_size_is_refused_before_the_transfer(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, size=len(TAR))
    mirror.replies = {FIRST: [Reply(TAR, declared=len(TAR) + 1, cut=0)], SECOND: [GOOD]}
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert len(mirror.requests) == 2


@pytest.mark.parametrize("size", [None, len(TAR)])
def test_an_endless_answer_is_cut_off(
    size: int | None,
    mirror: Mirror,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    publish(monkeypatch, size=size)
    monkeypatch.setattr(transfers, "MAX_ARCHIVE_BYTES", len(TAR))
    mirror.replies = {FIRST: [Reply(TAR + b"0", chunked=True)], SECOND: [GOOD]}
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert f"more than {len(TAR):,} bytes there" in caplog.text
    assert len(mirror.requests) == 2


def test_the_checksum_of_an_unverified_archive_is_logged(
    mirror: Mirror, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mirror.replies[FIRST] = [GOOD]
    with caplog.at_level(logging.INFO, "cyclegan.data.transfers"):
        fetch("facades", tmp_path)
    assert hashlib.sha256(TAR).hexdigest() in caplog.text


def test_the_error_says_what_where_and_what_to_do(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        fetch("facades", tmp_path)
    message = str(caught.value)
    for part in ("'facades'", mirror.url(FIRST), mirror.url(SECOND), "404", "CYCLEGAN_MIRROR"):
        assert part in message
    assert f"unpack {mirror.url(FIRST)} yourself, so that {tmp_path / 'facades'} holds" in message


def test_a_disk_full_while_unpacking_keeps_the_archive(mirror: Mirror, tmp_path: Path) -> None:
    big = {**IMAGES, "train/big.jpg": bytes(1 << 20)}
    mirror.replies[FIRST] = [Reply(tar_gz(big))]
    with (
        disk_full_at(1 << 19),
        pytest.raises(DownloadError, match="Free some space, or set CYCLEGAN_DATASETS"),
    ):
        fetch("facades", tmp_path)
    assert (tmp_path / ".facades.parts").is_dir() and not (tmp_path / "facades").exists()
    folder = fetch("facades", tmp_path)
    assert {path.name for path in (folder / "train").iterdir()} == {"1.jpg", "2.jpg", "big.jpg"}
    assert len(mirror.requests) == 1


def test_a_disk_full_while_downloading_keeps_what_arrived(mirror: Mirror, tmp_path: Path) -> None:
    mirror.replies = {FIRST: [GOOD], SECOND: [GOOD]}
    with disk_full_at(1024), pytest.raises(DownloadError, match="Free some space"):
        fetch("facades", tmp_path)
    assert not (tmp_path / "facades").exists()
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert mirror.requests == [(FIRST, None), (FIRST, "bytes=1024-")]  # the disk is not the mirror's fault


def test_a_root_that_is_a_file_is_a_clear_error(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match="CYCLEGAN_DATASETS"):
        fetch("facades", tmp_path / "file")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("when", ["downloading", "unpacking"])
def test_a_killed_call_is_continued_at_once_and_leaves_nothing(
    when: str, end: signal.Signals, mirror: Mirror, tmp_path: Path
) -> None:
    mirror.replies[FIRST] = [Reply(TAR, pause=1000), GOOD] if when == "downloading" else [GOOD]
    code = (
        "import pathlib, sys, time\n"
        "from cyclegan.data import archives, downloads, transfers\n"
        "archives._content = lambda folder: time.sleep(60)\n"
        "url, root = sys.argv[1:]\n"
        "dataset = downloads.NamedDataset(('photo', 'labels'), (transfers.Archive(url),))\n"
        "downloads.DATASETS['facades'] = dataset\n"
        "downloads.fetch('facades', pathlib.Path(root))\n"
    )
    command = [sys.executable, "-c", code, mirror.url(FIRST), str(tmp_path)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:
        reached = "*.part" if when == "downloading" else "unpacked/**/*.jpg"
        wait_until(lambda: [path for path in tmp_path.glob(f".facades.parts/{reached}") if path.stat().st_size])
        process.send_signal(end)
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert mirror.requests[1:] == ([(FIRST, "bytes=1000-")] if when == "downloading" else [])


def test_what_a_broken_call_left_goes_when_the_dataset_is_there(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / ".facades.parts").mkdir()
    (tmp_path / "facades" / "train").mkdir(parents=True)
    fetch("facades", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["facades"]


def test_a_dataset_that_is_there_needs_no_lock(mirror: Mirror, tmp_path: Path) -> None:
    for name in (".facades.parts", ".facades.lock", "facades/train"):  # no file can be written at the place of the lock
        (tmp_path / name).mkdir(parents=True)
    assert fetch("facades", tmp_path) == tmp_path / "facades"


def test_two_calls_at_once_both_find_the_dataset(mirror: Mirror, tmp_path: Path) -> None:
    mirror.replies[FIRST] = [GOOD]
    together = threading.Barrier(2, timeout=10)

    def call(_: int) -> Path:
        together.wait()
        return fetch("facades", tmp_path)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(call, range(2))) == [tmp_path / "facades"] * 2
    assert_complete(tmp_path)
    assert mirror.requests == [(FIRST, None)], "one downloads, the other waits"


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_mirror_of_ones_own_is_asked_first(
    slash: str, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYCLEGAN_MIRROR", mirror.url("lab/sets") + slash)
    mirror.replies = {"/lab/sets/facades.tar.gz": [GOOD], FIRST: [Reply(OTHER)]}
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert mirror.requests == [("/lab/sets/facades.tar.gz", None)]


def test_a_mirror_of_ones_own_is_held_to_the_checksum(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, sha256=hashlib.sha256(TAR).hexdigest())
    monkeypatch.setenv("CYCLEGAN_MIRROR", mirror.url("lab"))
    mirror.replies = {"/lab/facades.tar.gz": [Reply(OTHER)], FIRST: [GOOD]}
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert [path for path, _ in mirror.requests] == ["/lab/facades.tar.gz", FIRST]


def test_a_mirror_that_is_no_url_is_refused(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYCLEGAN_MIRROR", "/mnt/sets")
    with pytest.raises(DownloadError, match="CYCLEGAN_MIRROR is '/mnt/sets'"):
        fetch("facades", tmp_path)


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown dataset 'facade'.*facades, maps.*folder of your own"):
        fetch("facade", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_root_is_the_argument_or_the_environment_or_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    monkeypatch.delenv("CYCLEGAN_DATASETS", raising=False)
    roots = []
    for platform in ("linux", "darwin", "win32"):
        monkeypatch.setattr(sys, "platform", platform)
        roots.append(data_root().as_posix())
    assert roots == [f"{cache}/cyclegan/datasets" for cache in ("/xdg", "/home/me/Library/Caches", "/local")]
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert data_root() == Path("/home/me/.cache/cyclegan/datasets")
    monkeypatch.setenv("CYCLEGAN_DATASETS", "/sets")
    assert data_root() == Path("/sets")
    assert data_root(Path("/given")) == Path("/given")


def test_facades_comes_as_pairs_first_and_as_the_verified_zip_last() -> None:
    first, *_, last = DATASETS["facades"].archives
    assert first == Archive("https://efrosgans.eecs.berkeley.edu/pix2pix/datasets/facades.tar.gz")
    assert last == Archive(
        "http://efrosgans.eecs.berkeley.edu/cyclegan/datasets/facades.zip",
        sha256="9a31ebf3a31b9b5cd195dd5bf62e9308e00cb94604d1019e3889ac84248695c0",
        size=35_135_868,
    )
    assert DATASETS["facades"].domains == ("photo", "labels")


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_has_archives_of_its_name_and_every_zip_is_verified(name: str) -> None:
    for archive in DATASETS[name].archives:
        if archive.filename == f"{IDX_FILE}.gz":
            assert archive.md5
            continue
        assert archive.filename in (f"{name}.tar.gz", f"{name}.zip")
        if archive.filename.endswith(".zip"):
            assert archive.size
            assert archive.sha256
            assert len(bytes.fromhex(archive.sha256)) == 32
        elif archive.md5 is None:
            assert archive.url.startswith("https://"), "nothing else vouches for what has no checksum"


def idx_path(name: str) -> str:
    return f"/fashion/{name}.gz"


IDX = idx_bytes(make_squares(70))
LABELS = gzip.compress(struct.pack(">2I", 0x801, 70) + bytes(70), mtime=0)


@pytest.fixture
def fashion(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    """A mirror with the four files of Fashion-MNIST, in small."""
    mirror.replies = {
        idx_path(IDX_FILE): [Reply(IDX)],
        idx_path("train-labels-idx1-ubyte"): [Reply(LABELS)],
        idx_path("t10k-images-idx3-ubyte"): [Reply(IDX)],
        idx_path("t10k-labels-idx1-ubyte"): [Reply(LABELS)],
    }
    archive = Archive(mirror.url(idx_path(IDX_FILE)), md5=hashlib.md5(IDX).hexdigest())
    monkeypatch.setitem(DATASETS, "fashion-mnist", replace(DATASETS["fashion-mnist"], archives=(archive,)))
    return mirror


def test_fashion_mnist_is_torchvisions() -> None:
    from torchvision.datasets import FashionMNIST  # type: ignore[import-untyped]

    (archive,) = DATASETS["fashion-mnist"].archives
    assert [archive.url] == [f"{mirror}{IDX_FILE}.gz" for mirror in FashionMNIST.mirrors]
    assert archive.md5 == dict(FashionMNIST.resources)[f"{IDX_FILE}.gz"]


def test_of_fashion_mnist_only_the_training_images_are_fetched_and_kept_packed(fashion: Mirror, tmp_path: Path) -> None:
    for _ in range(2):
        folder = fetch("fashion-mnist", tmp_path)
    assert {path: path.read_bytes() for path in folder.iterdir()} == {folder / f"{IDX_FILE}.gz": IDX}
    assert fashion.requests == [(idx_path(IDX_FILE), None)]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_plain_gan_trains_on_what_comes_from_ones_own_mirror(
    fashion: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYCLEGAN_MIRROR", fashion.url("lab"))
    fashion.replies = {f"/lab/{IDX_FILE}.gz": [Reply(IDX, cut=1000), Reply(IDX)]}
    widths = ["--generator.width", "4", "--discriminator.width", "4"]
    run = ["gan", "--data-root", str(tmp_path), "--out", str(tmp_path / "run"), "--epochs", "1", *widths]
    assert train.main([*run, "--device", "cpu"]) == 0
    assert Run.open(tmp_path / "run").sample_epochs == (1,)
    assert {path for path, _ in fashion.requests} == {f"/lab/{IDX_FILE}.gz"}


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(status=404), "HTTP 404"),
        (Reply(IDX, cut=len(IDX) // 2, ranges=False), "closed connection"),
        (Reply(idx_bytes(make_squares(70, seed=1))), "the archive has the md5"),
    ],
    ids=["404", "truncated", "wrong checksum"],
)
def test_a_transfer_that_fails_is_one_message_and_exit_code_2(
    reply: Reply, said: str, fashion: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fashion.replies[idx_path(IDX_FILE)] = [reply]
    assert train.main(["gan", "--data-root", str(tmp_path), "--out", str(tmp_path / "run")]) == 2
    message = capsys.readouterr().err
    assert said in message and fashion.url(idx_path(IDX_FILE)) in message and "Traceback" not in message
    assert f"so that {tmp_path / 'fashion-mnist'} holds {IDX_FILE}" in message
    assert not (tmp_path / "fashion-mnist").exists() and not (tmp_path / "run").exists()
