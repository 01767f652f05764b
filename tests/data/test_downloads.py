"""Downloading named datasets, against a real server on the loopback that misbehaves as told."""

import hashlib
import io
import signal
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
from cyclegan.data import archives, downloads
from cyclegan.data.downloads import Archive, DownloadError, data_root
from cyclegan.data.named_datasets import DATASETS, IDX_FILE, NamedDataset, fetch
from tests.conftest import idx_bytes, make_squares, wait_until


@dataclass(frozen=True)
class Reply:
    """What the server does with a request: by default, what a good server does."""

    body: bytes = b""
    status: int = 200
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
        if status == 200 and reply.ranges and self.headers["Range"]:
            first, status = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-")), 206
            status = 206 if first < len(reply.body) else 416
        self.send_response(status)
        body = reply.body[first:]
        if status == 206:
            last = len(reply.body) - 1
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(reply.body)}")
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
    monkeypatch.setattr(downloads, "RETRY_DELAYS", (0.0, 0.0))
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


HONEST = {
    "a tar.gz": ([GOOD], [None]),
    "a zip under a top folder": (
        [Reply(zip_of({f"another name/{name}": data for name, data in IMAGES.items()}))],
        [None],
    ),
    "broken twice": ([Reply(TAR, cut=1000), Reply(TAR, cut=500), GOOD], [None, "bytes=1000-", "bytes=1500-"]),
    "without ranges": ([Reply(TAR, cut=1000), Reply(TAR, ranges=False)], [None, "bytes=1000-"]),
    "busy": ([Reply(status=503), Reply(status=503), GOOD], [None] * 3),
    "without length": ([Reply(TAR, chunked=True)], [None]),
}


@pytest.mark.parametrize(("replies", "ranges"), HONEST.values(), ids=HONEST)
def test_an_archive_becomes_a_folder(
    replies: list[Reply], ranges: list[str | None], mirror: Mirror, tmp_path: Path
) -> None:
    (tmp_path / "facades").mkdir()  # an empty folder is no dataset
    mirror.replies[FIRST] = list(replies)
    assert fetch("facades", tmp_path) == fetch("facades", tmp_path) == tmp_path / "facades"
    assert_complete(tmp_path)
    assert mirror.requests == [(FIRST, each) for each in ranges], "what is there is not asked for again"


def test_a_transfer_that_always_breaks_says_what_to_do_and_is_continued_by_the_next_call(
    mirror: Mirror, tmp_path: Path
) -> None:
    mirror.replies[FIRST] = [Reply(TAR, cut=100)]
    with pytest.raises(DownloadError, match="closed connection") as caught:
        fetch("facades", tmp_path)
    for part in (f"unpack {mirror.url(FIRST)} yourself", f"{mirror.url(SECOND)}: HTTP 404", "CYCLEGAN_MIRROR"):
        assert part in str(caught.value)
    assert not (tmp_path / "facades").exists() and len(mirror.requests) == 4
    mirror.replies[FIRST] = [GOOD]
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert mirror.requests[4:] == [(FIRST, "bytes=300-")]


@pytest.mark.parametrize(
    ("bad", "message", "requests"),
    [
        (Reply(status=403), "HTTP 403", 1),
        (Reply(status=429), "HTTP 429", 3),
        (Reply(silent=True), "timed out", 3),
        (Reply(TAR, cut=0, chunked=True), "closed connection", 3),
        (Reply(TAR[:-10]), "damaged", 1),
        (Reply(b"<html>Moved</html>"), "begins with b'<html>Moved", 1),
        (Reply(TAR, declared=10**6, cut=0), "1,000,000 bytes there, more than 999,999", 1),
        (Reply(bytes(10**6), chunked=True), "more than 999,999 bytes there", 1),
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
    monkeypatch.setattr(downloads, "TIMEOUT_SECONDS", 0.1 if bad.silent else 5.0)
    monkeypatch.setattr(archives, "GROWTH_FLOOR_BYTES", 1 << 16)
    monkeypatch.setattr(downloads, "MAX_ARCHIVE_BYTES", 999_999)
    root = tmp_path / "room" / "root"
    mirror.replies = {FIRST: [bad], SECOND: [GOOD]}
    fetch("facades", root)
    assert_complete(root)
    assert [path for path, _ in mirror.requests] == [FIRST] * requests + [SECOND]
    assert message in caplog.text
    assert [path.name for path in root.parent.iterdir()] == ["root"]


def test_ones_own_mirror_is_asked_first_and_held_to_the_checksum(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, digest = DATASETS["facades"], hashlib.sha256(TAR).hexdigest()
    known = tuple(replace(archive, sha256=digest) for archive in dataset.archives)
    monkeypatch.setitem(DATASETS, "facades", replace(dataset, archives=known))
    monkeypatch.setenv("CYCLEGAN_MIRROR", mirror.url("lab"))
    mirror.replies = {"/lab/facades.tar.gz": [Reply(OTHER)]}
    with pytest.raises(DownloadError, match=hashlib.sha256(OTHER).hexdigest()):
        fetch("facades", tmp_path)
    mirror.replies[FIRST] = [GOOD]
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert [path for path, _ in mirror.requests[-2:]] == ["/lab/facades.tar.gz", FIRST], "wrong bytes are not kept"
    monkeypatch.setenv("CYCLEGAN_MIRROR", "/mnt/sets")
    with pytest.raises(DownloadError, match="CYCLEGAN_MIRROR is '/mnt/sets'"):
        fetch("facades", tmp_path / "elsewhere")


def test_a_disk_full_while_downloading_keeps_what_arrived(mirror: Mirror, tmp_path: Path) -> None:
    mirror.replies = {FIRST: [GOOD], SECOND: [GOOD]}
    with disk_full_at(1024), pytest.raises(DownloadError, match="Free some space"):
        fetch("facades", tmp_path)
    assert not (tmp_path / "facades").exists()
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert mirror.requests == [(FIRST, None), (FIRST, "bytes=1024-")]  # the disk is not the mirror's fault


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("when", ["downloading", "unpacking"])
def test_a_killed_call_is_continued_at_once_and_leaves_nothing(
    when: str, end: signal.Signals, mirror: Mirror, tmp_path: Path
) -> None:
    mirror.replies[FIRST] = [Reply(TAR, pause=1000), GOOD] if when == "downloading" else [GOOD]
    code = (
        "import pathlib, sys, time\n"
        "from cyclegan.data import archives, downloads, named_datasets\n"
        "named_datasets.extract = lambda *paths: (archives.extract(*paths), time.sleep(60))\n"
        "url, root = sys.argv[1:]\n"
        "dataset = named_datasets.NamedDataset(('photo', 'labels'), (downloads.Archive(url),))\n"
        "named_datasets.DATASETS['facades'] = dataset\n"
        "named_datasets.fetch('facades', pathlib.Path(root))\n"
    )
    command = [sys.executable, "-c", code, mirror.url(FIRST), str(tmp_path)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:
        reached = "*.part" if when == "downloading" else "unpacked/**/*.jpg"
        wait_until(lambda: [path for path in tmp_path.glob(f".facades.parts/{reached}") if path.stat().st_size])
        process.send_signal(end)
    fetch("facades", tmp_path)
    assert_complete(tmp_path)
    assert mirror.requests[1:] == ([(FIRST, "bytes=1000-")] if when == "downloading" else [])


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


def test_a_plain_gan_trains_on_the_one_file_that_it_needs_or_says_why_not(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content, path = idx_bytes(make_squares(70)), f"/fashion/{IDX_FILE}.gz"
    archive = Archive(mirror.url(path), md5=hashlib.md5(content).hexdigest())
    monkeypatch.setitem(DATASETS, "fashion-mnist", replace(DATASETS["fashion-mnist"], archives=(archive,)))
    mirror.replies[path] = [Reply(idx_bytes(make_squares(70, seed=1)))]
    command = ["gan", "--data-root", str(tmp_path), "--out", str(tmp_path / "run"), "--epochs", "1", "--device", "cpu"]
    assert train.main(command) == 2
    message = capsys.readouterr().err
    assert "the archive has the md5" in message and "Traceback" not in message
    assert f"so that {tmp_path / 'fashion-mnist'} holds {IDX_FILE}" in message and not (tmp_path / "run").exists()
    mirror.replies[path] = [Reply(content, cut=100), Reply(content)]
    assert train.main([*command, "--generator.width", "4", "--discriminator.width", "4"]) == 0
    folder = tmp_path / "fashion-mnist"
    assert {path: path.read_bytes() for path in folder.iterdir()} == {folder / f"{IDX_FILE}.gz": content}
    assert mirror.requests[1:] == [(path, None), (path, "bytes=100-")]


def test_the_root_is_the_argument_or_the_environment_or_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("CYCLEGAN_DATASETS", raising=False)
    assert data_root().as_posix() == "/xdg/cyclegan/datasets"
    monkeypatch.setenv("CYCLEGAN_DATASETS", "/sets")
    assert (data_root(), data_root(Path("/given"))) == (Path("/sets"), Path("/given"))
