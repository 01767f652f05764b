"""What the tests share: small datasets of drawn facades, untrained runs, and the app in a real browser."""

from __future__ import annotations

import asyncio
import atexit
import gzip
import os
import shutil
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

# Tiny networks gain nothing from more threads, and two that spin beside another busy process cost fourfold.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before any test module imports Gradio

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from cyclegan.config import (
    METHODS,
    CycleGANConfig,
    Direction,
    DiscriminatorConfig,
    GANConfig,
    GeneratorConfig,
    Method,
    MethodConfig,
    Pix2PixConfig,
)
from cyclegan.data.datasets import Split, find_split
from cyclegan.facades.labels import class_indices, draw_facade
from cyclegan.networks.build import build_discriminator, build_generator, initialize
from cyclegan.runs.run import Domains, Run, SampleInputs
from cyclegan.runs.sample_archive import NAME as SAMPLE_ARCHIVE
from cyclegan.runs.sample_archive import pack_samples
from cyclegan.runs.samples import SAMPLE_SIZE
from tests.browser.driver import Watched, launch_chromium, served
from tests.hub_server import LoopbackHub, held_port

if TYPE_CHECKING:
    from gradio_client import Client

    from cyclegan.pages.layout import Layout
    from cyclegan.pages.models import Models, Route

HUB_PORT = held_port()
HUB_HOME = Path(tempfile.mkdtemp(prefix="loopback-hub-"))
atexit.register(shutil.rmtree, HUB_HOME, ignore_errors=True)
# huggingface_hub reads these when it is imported: by Gradio, and so by test modules, but by nothing above. No test can
# reach the real Hub, or the cache and the token of whoever runs it.
os.environ |= {
    "HF_ENDPOINT": f"http://127.0.0.1:{HUB_PORT}",
    "HF_HOME": str(HUB_HOME),
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DOWNLOAD_TIMEOUT": "2",
    "HF_HUB_ETAG_TIMEOUT": "2",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",  # datasets tells another host what it loads
    "CYCLEGAN_BACKEND": "torch",  # whatever is installed and faster here
}
for _name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HF_HUB_OFFLINE"):
    os.environ.pop(_name, None)

PHOTO_COLOURS = np.random.default_rng(7).integers(0, 256, (12, 3))
RAMP_WIDTH, RAMP_HEIGHT = 40, 32
TINY_CYCLEGAN = GeneratorConfig(architecture="resnet_6blocks", width=4)
TINY_PIX2PIX = GeneratorConfig(architecture="unet_256", width=4, norm="batch", dropout=True)
TINY_GAN = GANConfig(
    epochs=2,
    batch_size=16,
    generator=replace(GANConfig().generator, width=8),
    discriminator=replace(GANConfig().discriminator, width=8),
    sample_every=1,
    precision="fp32",
)
SAMPLES: dict[Method, dict[Direction, SampleInputs]] = {
    "cyclegan": {"ab": "dataset", "ba": "drawn"},
    "pix2pix": {"ba": "drawn"},
    "gan": {"ab": "noise"},
}
LOSSES: dict[Method, dict[str, float]] = {
    "cyclegan": {"gan_a": 1.0, "cycle_a": 9.0, "discriminator_a": 0.5},
    "pix2pix": {"gan": 1.0, "l1": 30.0, "discriminator": 0.5},
    "gan": {"gan": 1.0, "discriminator": 0.5},
}


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Look again and again; fails where it does not become true in time, which is a limit and no measurement."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {seconds:g} s"
        time.sleep(0.02)


def make_photo(seed: int, size: int = 256) -> Image.Image:
    """A stand-in for the photo of a drawn facade: a colour for each class, and grain."""
    colours = PHOTO_COLOURS[class_indices(draw_facade(seed, size=size))]
    grain = np.random.default_rng(seed).normal(0, 12, colours.shape)
    return Image.fromarray(np.clip(colours + grain, 0, 255).astype(np.uint8))


def make_pairs(folder: Path, count: int, *, first_seed: int = 0, size: int = 256) -> Path:
    """A folder of side-by-side JPEG pairs, photo left and labels right, as in the published facades."""
    folder.mkdir(parents=True)
    for index in range(count):
        pair = Image.new("RGB", (2 * size, size))
        pair.paste(make_photo(first_seed + index, size), (0, 0))
        pair.paste(draw_facade(first_seed + index, size=size), (size, 0))
        pair.save(folder / f"{index + 1}.jpg", quality=95)
    return folder


def ramp(number: int, width: int = RAMP_WIDTH, height: int = RAMP_HEIGHT) -> Image.Image:
    """An image whose every pixel says where it is and of which image: red x, green y, blue the number."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([x, y, np.full_like(x, number)], 2).astype(np.uint8))


def make_folder(
    folder: Path, names: Sequence[str], size: tuple[int, int] = (RAMP_WIDTH, RAMP_HEIGHT), first: int = 0
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names, first):
        ramp(number, *size).save(folder / name)
    return folder


def make_two_folders(root: Path, a: int, b: int) -> Split:
    """Images numbered from 0 in A, from 100 in B."""
    make_folder(root / "trainA", [f"{index}.png" for index in range(a)])
    make_folder(root / "trainB", [f"{index}.png" for index in range(b)], first=100)
    return find_split(root)


def make_squares(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Bright squares near the middle of dark images of 28x28, as MNIST's are: [count, 28, 28]."""
    images = np.zeros((count, 28, 28), np.uint8)
    rng = np.random.default_rng(seed)
    for image in images:
        left, top = rng.integers(6, 11, 2)
        image[top : top + 12, left : left + 12] = rng.integers(180, 256)
    return images


def idx_bytes(images: NDArray[np.uint8], *, packed: bool = True) -> bytes:
    """The images as an idx file, the format of MNIST."""
    content = struct.pack(">4I", 0x803, *images.shape) + images.tobytes()
    return gzip.compress(content, mtime=0) if packed else content


def make_run(folder: Path, config: MethodConfig, *, epochs: tuple[int, ...], sample_epochs: int) -> Run:
    """An untrained run whose snapshots differ: each epoch has its own seed and a larger gain."""
    method = next(name for name, kind in METHODS.items() if isinstance(config, kind))
    domains = Domains("noise", "clothes") if method == "gan" else Domains("photo", "labels")
    samples, losses, columns = SAMPLES[method], LOSSES[method], 1 if method == "gan" else 8
    run = Run(folder, method, domains, config, samples)
    folder.mkdir(parents=True)
    run.write()
    for epoch in epochs:
        torch.manual_seed(epoch)
        generators = {}
        for direction in run.directions:
            generators[direction] = build_generator(run.generator_config(direction))
            initialize(generators[direction], 0.02 * epoch)
        run.save_snapshot(epoch, generators)
    records = []
    for epoch in range(1, sample_epochs + 1):
        sheet = Image.new("RGB", (columns * SAMPLE_SIZE, len(samples) * SAMPLE_SIZE), (20 * epoch % 256, 90, 120))
        run.save_sample(epoch, sheet)
        falling = {name: value / epoch for name, value in losses.items()}
        records.append({"epoch": epoch, "learning_rate": 2e-4, "seconds": 1.0, "losses": falling})
    run.write_history(records)
    return run


def add_discriminators(run: Run) -> None:
    """Untrained discriminators whose patches differ."""
    torch.manual_seed(0)
    discriminators = {}
    for domain, channels in run.judged.items():
        discriminators[domain] = build_discriminator(run.config.discriminator, in_channels=channels)
        initialize(discriminators[domain], 0.2)
    run.save_discriminators(discriminators)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", action="store_true", help="make the pictures of the app in docs/ anew")


@pytest.fixture(scope="session")
def facades(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset folder named facades in the pix2pix form: 6 training pairs, 2 for validation."""
    folder = tmp_path_factory.mktemp("datasets") / "facades"
    make_pairs(folder / "train", 6)
    make_pairs(folder / "val", 2, first_seed=100)
    return folder


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny untrained runs, as `weights/` holds trained ones; the CycleGAN carries its discriminators."""
    folder = tmp_path_factory.mktemp("weights")
    judge = DiscriminatorConfig(width=8)
    cyclegan = CycleGANConfig(dataset="facades", generator=TINY_CYCLEGAN, discriminator=judge, epochs=3, decay_epochs=2)
    pix2pix = Pix2PixConfig(dataset="facades", generator=TINY_PIX2PIX, epochs=3, decay_epochs=2)
    add_discriminators(make_run(folder / "facades-cyclegan", cyclegan, epochs=(1, 3, 5), sample_epochs=5))
    make_run(folder / "facades-pix2pix", pix2pix, epochs=(1, 2, 5), sample_epochs=5)
    return folder


@pytest.fixture(scope="session")
def models(weights: Path) -> Models:
    """Both runs of `weights`, as the app loads them."""
    from cyclegan.pages.models import Models  # with it Gradio, after the variables above

    return Models.load([weights / "facades-cyclegan", weights / "facades-pix2pix"], precision="fp32")


@pytest.fixture(scope="module")
def layout(models: Models, own_cache: None, closed_event_loops: None) -> Layout:
    """The app of both runs, without a server."""
    from cyclegan.pages.layout import Layout

    return Layout(models)


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    """An empty Hub on the loopback, and an empty cache. It is asked without a token unless HF_TOKEN is set."""
    shutil.rmtree(HUB_HOME, ignore_errors=True)
    with LoopbackHub(HUB_PORT) as running:
        yield running


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's pauses between its tries, 23 seconds in all, are left out."""
    for module in ("utils._http", "file_download"):
        monkeypatch.setattr(f"huggingface_hub.{module}.time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture
def published(hub: LoopbackHub, weights: Path) -> LoopbackHub:
    """The Hub with both runs of `weights`: owner/cyclegan with all its samples in one file, owner/pix2pix without."""
    hub.publish_folder("owner/cyclegan", weights / "facades-cyclegan")
    samples = {SAMPLE_ARCHIVE: pack_samples(Run.open(weights / "facades-cyclegan"))}
    hub.publish("owner/cyclegan", {**samples, "README.md": b"a card", "notes.txt": b"more"})
    hub.publish_folder("owner/pix2pix", weights / "facades-pix2pix")
    return hub


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Uploads and results go where pytest clears up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        yield


@pytest.fixture(scope="module")
def closed_event_loops() -> Iterator[None]:
    """Gradio opens event loops for its locks and leaves them open, which Python warns of; close them."""
    loops = []
    new_event_loop = asyncio.new_event_loop

    def record() -> asyncio.AbstractEventLoop:
        loops.append(new_event_loop())
        return loops[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", record)
        yield
    asyncio.set_event_loop(None)
    for loop in loops:
        loop.close()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its files and its log."""
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="session")
def url(weights: Path, cache: Path) -> Iterator[str]:
    """The address of the app, served with two tiny runs."""
    with served([weights / "facades-cyclegan", weights / "facades-pix2pix"], cache) as address:
        yield address


@pytest.fixture(scope="module")
def client(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A program that uses the served app."""
    from gradio_client import Client

    client = Client(url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))
    yield client
    client.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one module at a time: the event loop that Playwright keeps running would be in the way of others."""
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        expect.set_options(timeout=20_000)  # five seconds are few where other tests run beside
        yield browser
        browser.close()


@pytest.fixture
def watched(browser: Browser, url: str, cache: Path) -> Iterator[Watched]:
    """A visitor's page, opened; whatever a test does with it, nothing may fail and no other host be asked."""
    log = cache / "server.log"
    before = len(log.read_text())
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        watched = Watched(context.new_page())
        watched.page.goto(url)
        expect(watched.page.locator("#examples img")).to_have_count(8)
        yield watched
        assert watched.problems == []
        assert watched.requests and watched.outside_hosts == set()
        told = log.read_text()[before:]
        assert "Traceback" not in told, told


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.page


@pytest.fixture
def model_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What the networks are asked for: title and epoch of each call."""
    from cyclegan.pages.models import Model

    calls = []
    translate = Model.translate

    def record(model: Model, image: Image.Image, route: Route, epoch: int) -> Image.Image:
        calls.append((model.title, epoch))
        return translate(model, image, route, epoch)

    monkeypatch.setattr(Model, "translate", record)
    return calls


def differs(a: Image.Image, b: Image.Image) -> bool:
    """Whether two pictures are not the same, pixel by pixel."""
    return a.size != b.size or a.tobytes() != b.tobytes()
