"""Spaces: what is pushed is enough, in the environment of a Space, to serve the app."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from huggingface_hub import SpaceCard
from packaging.requirements import Requirement
from packaging.version import Version
from PIL import Image
from playwright.sync_api import Browser, expect

from cyclegan.facades.labels import draw_facade
from cyclegan.hub.command import main
from cyclegan.hub.spaces import contents
from tests.browser.driver import served
from tests.conftest import TINY_GAN, make_run
from tests.hub_server import TOKEN, LoopbackHub

ROOT = Path(__file__).parents[2]
NAME = "owner/demo"
SPACE = {"SPACE_ID": NAME, "SYSTEM": "spaces", "SPACE_AUTHOR_NAME": "owner", "SPACE_REPO_NAME": "demo"}


@pytest.fixture
def login(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)


def push(weights: Path, *more: str) -> int:
    runs = sorted(str(path.parent) for path in weights.glob("*/run.json"))
    return main(["space", NAME, "--runs", *runs, *more])


def test_the_front_matter_says_what_is_installed() -> None:
    data = SpaceCard.load(ROOT / "README.md").data.to_dict()
    requirements = (Requirement(line) for line in (ROOT / "requirements.txt").read_text().splitlines())
    (gradio,) = (each for each in requirements if each.name == "gradio")
    (lowest,) = (each.version for each in gradio.specifier if each.operator == ">=")
    assert gradio.specifier.contains(data["sdk_version"])
    assert Version(data["sdk_version"]) == Version(lowest)
    assert data["sdk"] == "gradio" and (ROOT / data["app_file"]).is_file()
    assert Version(data["python_version"]) >= Version("3.11")
    assert len(data["short_description"]) <= 60  # the Hub's limit
    assert data["title"] and data["license"] == "apache-2.0" and "image-to-image" in data["tags"]


@pytest.mark.usefixtures("login")
def test_what_was_pushed_runs_as_a_space(weights: Path, hub: LoopbackHub, tmp_path: Path, browser: Browser) -> None:
    assert push(weights) == 0
    repository = hub.repositories["space", NAME]
    assert (repository.sdk, len(repository.commits)) == ("gradio", 2)
    checkout = checked_out(repository.files, tmp_path / "checkout")
    assert b"title: CycleGAN" in repository.files["README.md"]  # and not what the Hub puts into a new one
    drawn = tmp_path / "labels.png"
    draw_facade(3).save(drawn)
    with served([], tmp_path, root=checkout, environment={**SPACE, "HF_TOKEN": ""}) as url:
        port = int(url.rpartition(":")[2])
        socket.create_connection(("127.0.0.2", port), timeout=10).close()  # only who listens everywhere answers here
        client = Client(url, verbose=False, download_files=tmp_path / "made")
        made = client.predict(handle_file(drawn), "photo", "CycleGAN", 3, api_name="/translate")
        with Image.open(made) as translated:
            assert translated.size == draw_facade(3).size
        with urllib.request.urlopen(f"{url}/favicon.ico", timeout=10) as icon:
            assert icon.read() == (checkout / "cyclegan" / "pages" / "icon.png").read_bytes()
        page, failed = browser.new_page(), list[str]()
        page.route(re.compile("https:"), lambda route: route.abort())  # Gradio's own header of a Space, and its fonts
        page.on("response", lambda response: failed.append(response.url) if response.status >= 400 else None)
        page.goto(url)
        expect(page.locator("#download-facades-cyclegan")).to_be_visible(timeout=30_000)  # it has translated
        assert failed == []
    log = (tmp_path / "server.log").read_text()
    # Gradio complains by itself, in a thread, that this is a Space without the package `spaces`.
    assert not re.search(r'File ".*(app\.py|cyclegan)|ERROR', log), log


@pytest.mark.usefixtures("login")
def test_a_space_is_pushed_again_when_something_changed(
    weights: Path, hub: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push(weights, "--private") == 0
    repository = hub.repositories["space", NAME]
    assert repository.private
    assert push(weights) == 0
    assert "nothing is new" in capsys.readouterr().err and len(repository.commits) == 2
    mine = repository.files["README.md"].replace(b"title: CycleGAN", b"title: My CycleGAN")
    hub.publish(NAME, {"README.md": mine}, kind="space")
    assert main(["space", NAME, "--runs", str(weights / "facades-pix2pix")]) == 0
    assert "edited and is kept" in capsys.readouterr().err and repository.files["README.md"] == mine
    names = repository.files.keys()
    assert "weights/facades-pix2pix/run.json" in names
    assert not [name for name in names if name.startswith("weights/facades-cyclegan")]


def test_a_space_holds_what_the_app_needs_and_no_more(tmp_path: Path) -> None:
    run = make_run(tmp_path / "clothes", TINY_GAN, epochs=(1,), sample_epochs=1)
    (run.folder / "checkpoint.pt").write_bytes(b"stays at home")
    for gpu in (False, True):
        requirements = contents([run], gpu=gpu)["requirements.txt"]
        assert isinstance(requirements, bytes) and (b"download.pytorch.org/whl/cpu" in requirements) is not gpu
    files = contents([run])
    assert {"app.py", "README.md", "LICENSE", "cyclegan/pages/look.css", "cyclegan/pages/icon.png"} <= files.keys()
    assert not [name for name in files if re.search(r"checkpoint\.pt|tests/|__pycache__|\.git|train\.py", name)]
    shown = re.findall(r"!\[.*\]\((.*?)\)|\]\((docs/.*?)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert {(picture or page).partition("#")[0] for picture, page in shown} <= files.keys()


@pytest.mark.usefixtures("login")
def test_mistakes_are_named(
    weights: Path, tmp_path: Path, hub: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = make_run(tmp_path / "empty", TINY_GAN, epochs=(), sample_epochs=0)
    twin = make_run(tmp_path / "facades-pix2pix", TINY_GAN, epochs=(1,), sample_epochs=0)
    pix2pix = str(weights / "facades-pix2pix")
    for runs, expected in (
        ([str(tmp_path / "none")], "is not a run"),
        ([str(empty.folder)], "has no snapshots yet"),
        ([pix2pix, str(twin.folder)], "two of the runs are called facades-pix2pix"),
    ):
        assert main(["space", NAME, "--runs", *runs]) == 2
        assert expected in capsys.readouterr().err
    hub.publish(NAME, {"app.py": b"print('mine')"}, kind="space")
    assert push(weights) == 2
    assert "holds something else (app.py" in capsys.readouterr().err
    assert hub.repositories["space", NAME].files == {"app.py": b"print('mine')"}


def test_on_zerogpu_a_translation_runs_where_the_gpu_is_lent(weights: Path, tmp_path: Path) -> None:
    """The package `spaces` runs such a function in another process: it pickles all that goes there and back."""
    (tmp_path / "spaces.py").write_text(
        "import pickle, sys\n"
        "def GPU(function):\n"
        "    def lent(*arguments):\n"
        "        print('lent')\n"
        "        return pickle.loads(pickle.dumps(function(*pickle.loads(pickle.dumps(arguments)))))\n"
        "    return lent\n"
    )
    script = (
        "import app\n"
        "from cyclegan.facades.labels import draw_facade\n"
        f"layout = app.build(app.Settings(run=({str(weights / 'facades-pix2pix')!r},), precision='fp32'))\n"
        "model, = layout.models.models\n"
        "picture = model.translate(draw_facade(3), model.routes[0], 5)\n"
        "assert picture == model.translator.translate(draw_facade(3), to='photo', epoch=5)\n"
        "print(app.GPU_PER_CALL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "SPACES_ZERO_GPU": "1"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["lent", "True"], done.stderr


def checked_out(files: Mapping[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("where", [SPACE, {}], ids=["a Space", "at home"])
def test_visitors_of_a_space_do_not_open_repositories_with_its_owners_token(where: dict[str, str]) -> None:
    script = "import app; from huggingface_hub.utils import build_hf_headers; print(build_hf_headers())"
    environment = {name: value for name, value in os.environ.items() if name not in SPACE} | where
    environment |= {"HF_TOKEN": "hf_of_the_owner", "HF_HUB_DISABLE_IMPLICIT_TOKEN": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert ("hf_of_the_owner" in done.stdout) == (not where)
