"""Datasets of the Hub: streamed into folders by the real client, from a Hub on the loopback."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import close_session
from PIL import Image

import train
from cyclegan.data.choice import find_folder
from cyclegan.data.datasets import find_split
from cyclegan.data.downloads import DownloadError
from cyclegan.data.hub_datasets import pinned
from cyclegan.evaluation.comparison import plan
from cyclegan.facades.labels import draw_facade
from cyclegan.runs.run import Run
from cyclegan.training.launch import settled_dataset
from tests.conftest import make_photo, ramp
from tests.hub_server import TOKEN, LoopbackHub

NAME = "owner/houses"
TRAIN, MORE, VALIDATION = (
    f"data/{name}.parquet" for name in ("train-00000-of-00002", "train-00001-of-00002", "validation-00000-of-00001")
)
SMALL = ["--generator.width", "4", "--discriminator.width", "4", "--device", "cpu", "--threads", "1"]
SMALL += ["--epochs", "1", "--decay-epochs", "0", "--load-size", "32", "--crop-size", "32"]
SMALL += ["--generator.architecture", "resnet_6blocks"]
FEATURES = {"imageA": {"_type": "Image"}, "imageB": {"_type": "Image"}, "room": {"dtype": "int64", "_type": "Value"}}


def encoded(image: Image.Image, kind: str = "png") -> bytes:
    file = BytesIO()
    image.save(file, kind)
    return file.getvalue()


def parquet(rows: list[dict[str, Any]], features: dict[str, Any] = FEATURES) -> bytes:
    """A table as `push_to_hub` of datasets writes it: images in it as they are in their files."""
    cell = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    kinds = {name: cell if what["_type"] == "Image" else pa.int64() for name, what in features.items()}
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    file = BytesIO()
    schema = pa.schema(list(kinds.items()), metadata=told)
    pq.write_table(pa.Table.from_pylist(rows, schema), file, row_group_size=2)
    return file.getvalue()


def row(number: int, **changed: Any) -> dict[str, Any]:
    """A house: its photo as JPEG in column imageA, its label map as PNG in imageB."""
    a, b = encoded(make_photo(number, 64), "jpeg"), encoded(draw_facade(number, size=64))
    return {"imageA": {"bytes": a, "path": "../a.jpg"}, "imageB": {"bytes": b, "path": None}, "room": 7, **changed}


def numbered(count: int) -> list[dict[str, Any]]:
    cells = [{"bytes": encoded(ramp(number % 256, 8, 8)), "path": None} for number in range(count)]
    return [{"imageA": cell, "imageB": cell, "room": 0} for cell in cells]


@pytest.fixture
def houses(hub: LoopbackHub) -> LoopbackHub:
    tables = {TRAIN: [row(0), row(1), row(2)], MORE: [row(3)], VALIDATION: [row(8), row(9)]}
    hub.publish(NAME, {path: parquet(rows) for path, rows in tables.items()}, kind="dataset")
    return hub


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CYCLEGAN_DATASETS", str(tmp_path / "sets"))
    return tmp_path / "sets"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    """The pauses of datasets between its tries, 95 seconds in all, are left out."""
    monkeypatch.setattr("datasets.utils.file_utils.time", SimpleNamespace(sleep=lambda seconds: None))


def commit_of(hub: LoopbackHub, name: str = NAME) -> str:
    return hub.repositories["dataset", name].commits[-1].oid


def test_a_dataset_becomes_a_folder_of_its_files_as_they_are(houses: LoopbackHub, root: Path) -> None:
    folder = find_folder(f"hf:{NAME}")
    assert folder == root / "hf" / "owner" / "houses" / commit_of(houses)
    split = find_split(folder)
    assert (split.layout, split.paired) == ("two folders", True)
    assert [source.path.name for source in split.a] == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    assert [source.path.read_bytes() for source in split.b] == [row(number)["imageB"]["bytes"] for number in range(4)]
    assert [source.path.name for source in find_split(folder, "val").b] == ["1.png", "2.png"]
    assert {path.name for path in folder.parent.iterdir()} == {folder.name}, "no parts are left"
    newer = folder.with_name(houses.publish(NAME, {TRAIN: parquet([row(6)])}, kind="dataset"))
    assert pinned(f"hf:{NAME}") == f"hf:{NAME}@{newer.name}" and not newer.exists()
    assert find_folder(f"hf:{NAME}") == newer
    houses.publish(NAME, {TRAIN: parquet([row(7)])}, kind="dataset")
    houses.stop()
    assert find_folder(f"hf:{NAME}") == newer, "the Hub is away, and what was downloaded last is taken"


def test_a_run_trains_and_goes_on_with_the_commit_that_it_began_with(
    houses: LoopbackHub,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.chdir(tmp_path)
    Path(NAME).mkdir(parents=True)  # which datasets would take for the dataset
    commit = commit_of(houses)
    assert train.main(["pix2pix", "--dataset", f"hf:{NAME}", *SMALL]) == 0
    run = Run.open(Path("runs") / "houses-pix2pix")
    assert run.config.dataset == f"hf:{NAME}@{commit}"
    assert (run.domains.a, run.domains.b) == ("photo", "labels")
    assert "HTTP Request" not in caplog.text
    assert {target.count for target in plan([run.folder], dataset=None, split="val", limit=None).targets} == {2}
    houses.publish(NAME, {TRAIN: parquet([row(5)])}, kind="dataset")
    newest = f"hf:{NAME}@{commit_of(houses)}"
    assert plan([run.folder], dataset=f"hf:{NAME}", split="train", limit=None).dataset == newest
    wanted = replace(run.config, dataset=f"hf:{NAME}")
    assert settled_dataset(wanted, None, None) == newest
    with monkeypatch.context() as several:
        several.setattr("cyclegan.runtime.distributed.size", lambda: 2)
        assert settled_dataset(wanted, None, None) == run.config.dataset, "torchrun begins again"
        assert settled_dataset(replace(wanted, dataset=f"hf:{NAME}@main"), None, None) == newest
    elsewhere = ["--data-root", str(tmp_path / "elsewhere"), "--device", "cpu", "--threads", "1"]
    assert train.main(["--resume", str(run.folder), *elsewhere]) == 0
    assert [path.name for path in (tmp_path / "elsewhere" / "hf" / "owner" / "houses").iterdir()] == [commit]


def test_a_broken_download_goes_on_where_it_broke(hub: LoopbackHub, root: Path, hasty: None) -> None:
    rows = [*numbered(129), {**numbered(1)[0], "imageB": None}]  # of one domain an image more
    hub.publish(NAME, {TRAIN: parquet(rows[:100]), MORE: parquet(rows[100:])}, kind="dataset")
    large = hub.repositories["dataset", NAME].commits[-1].files[MORE]
    fault = hub.fail(f"GET /large/{large.sha256}", truncate=100)
    with pytest.raises(DownloadError, match=r"does not answer.*what has come is kept, and the same command goes on"):
        find_folder(f"hf:{NAME}")
    hub.faults.remove(fault)
    (kept,) = root.glob("hf/owner/houses/.*.parts/images/trainA/100.png")
    kept.write_bytes(b"as it was")
    split = find_split(find_folder(f"hf:{NAME}"))
    assert [source.path.name for source in split.a] == [f"{number}.png" for number in range(1, 131)]
    assert split.a[99].path.read_bytes() == b"as it was", "what was there is not written again"
    expected = [row["imageB"]["bytes"] for row in rows[:-1]]
    assert [source.path.read_bytes() for source in split.b] == expected


def test_a_silent_hub_is_given_up(houses: LoopbackHub, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cyclegan.hub.uploads.TIMEOUT", 0.2)
    houses.fail("GET /api/datasets/.*/auth-check", wait=60)
    try:
        with pytest.raises(DownloadError, match="does not answer"):
            find_folder(f"hf:{NAME}")
    finally:
        close_session()  # the next client is as patient as it was


@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [
        (
            "MAX_IMAGE_BYTES",
            60,
            "has in imageA, row 1 of train, [0-9,]{3,} bytes; at most 60 are taken of an image; down",
        ),
        ("MAX_ROWS", 2, "has more than 2 rows in train, the limit; download it yourself"),
        (
            "MIN_FREE_BYTES",
            10**18,
            "stops at row 1 of train: .* MB are free on the disk, and 1000000000000 MB are to be",
        ),
    ],
)
def test_a_dataset_has_limits(
    limit: str, value: int, said: str, houses: LoopbackHub, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"cyclegan.data.hub_datasets.{limit}", value)
    with pytest.raises(DownloadError, match=said):
        find_folder(f"hf:{NAME}")


def test_images_may_be_files_beside_a_table(hub: LoopbackHub, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [{"imageA_file_name": f"photos/{name}", "imageB_file_name": f"maps/{name}"} for name in ("z.jpg", "y.jpg")]
    files = {f"train/{line[f'image{x}_file_name']}": encoded(ramp(3, 8, 8), "jpeg") for line in lines for x in "AB"}
    table = "\n".join(map(json.dumps, lines)).encode()
    hub.publish(NAME, {**files, "train/metadata.jsonl": table}, kind="dataset")
    with (
        monkeypatch.context() as small,
        pytest.raises(DownloadError, match=r"photos/z.jpg [0-9]{3} bytes; at most 60 "),
    ):
        small.setattr("cyclegan.data.hub_datasets.MAX_IMAGE_BYTES", 60)
        find_folder(f"hf:{NAME}")
    assert not hub.count("GET /large/"), "it is not fetched"
    split = find_split(find_folder(f"hf:{NAME}"))
    assert [source.path.name for source in split.b] == ["1.jpg", "2.jpg"]
    assert split.b[0].path.read_bytes() == encoded(ramp(3, 8, 8), "jpeg")


def readme(*lines: str) -> bytes:
    return "\n".join(["---", *lines, "---", ""]).encode()


OTHER = {"image": {"_type": "Image"}, "imageB": {"dtype": "int64", "_type": "Value"}}
WORD = {"bytes": "no bytes", "path": None}
ELSEWHERE = {"bytes": None, "path": "/etc/hostname"}


@pytest.mark.parametrize(
    ("name", "files", "options", "said"),
    [
        ("owner/none", {}, {}, "the Hub has no repository datasets/owner/none, or it is private; check the name"),
        (NAME, {TRAIN: parquet([row(0)])}, {"gated": True}, "is gated: ask for access at .*/datasets/owner/houses"),
        (
            NAME,
            {TRAIN: parquet([{"image": row(0)["imageA"], "imageB": 3}], OTHER)},
            {},
            "no images in imageA and imageB: its columns are image, imageB, but imageA and imageB are needed",
        ),
        (NAME, {VALIDATION: parquet([row(0)])}, {}, "has no split train, but validation"),
        (NAME, {"houses.py": b"raise SystemExit(9)"}, {}, "scripts are no longer supported"),
        (NAME, {TRAIN: b"PAR1 this is no table"}, {}, "cannot be read: Parquet magic bytes not found"),
        (
            NAME,
            {TRAIN: parquet([{**row(0), "imageB": ELSEWHERE}])},
            {},
            "has the image /etc/hostname, which is no file",
        ),
        (
            NAME,
            {"README.md": readme("configs:", "- config_name: default", "  data_files: FOREIGN")},
            {},
            "cannot be read: Data files don't belong to owner/houses",
        ),
        (
            NAME,
            {"data/train.jsonl": json.dumps({"imageA": WORD, "imageB": WORD}).encode()},
            {},
            "row 1 of train, str and",
        ),
        (
            NAME,
            {TRAIN: parquet([row(0), {**row(1), "imageB": {"bytes": b"%!PS-Adobe", "path": None}}])},
            {},
            r"imageB, row 2 of train, no image of a format that is read \(bmp, gif, jpg, png, tif, webp\), but b'%!PS",
        ),
        (f"{NAME}@v3", {TRAIN: parquet([row(0)])}, {}, "owner/houses@v3 is no revision of that repository"),
    ],
)
def test_what_cannot_be_had_is_one_line(
    name: str, files: dict[str, bytes], options: dict[str, Any], said: str, hub: LoopbackHub, root: Path, hasty: None
) -> None:
    root.mkdir()
    (root / "foreign.parquet").write_bytes(parquet([row(0)]))
    files = {
        path: content.replace(b"FOREIGN", str(root / "foreign.parquet").encode()) for path, content in files.items()
    }
    if files:
        hub.publish(NAME, files, kind="dataset", **options)
    with pytest.raises(DownloadError, match=said) as raised:
        find_folder(f"hf:{name}")
    assert "\n" not in str(raised.value)
    assert not list(root.glob("hf/owner/houses/[0-9a-f]*"))


def test_a_gated_dataset_opens_with_a_token(hub: LoopbackHub, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.publish(NAME, {TRAIN: parquet([row(0)])}, kind="dataset", private=True)
    assert len(find_split(find_folder(f"hf:{NAME}")).a) == 1
    assert not any(asked.token for asked in hub.requests if asked.cdn), "the token goes to the Hub alone"


def test_without_the_package_or_the_hub_the_command_says_what_to_do(
    houses: LoopbackHub, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], hasty: None
) -> None:
    assert pinned("facades") == "facades"
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "datasets", None)
        assert train.main(["pix2pix", "--dataset", f"hf:{NAME}", *SMALL]) == 2
    dataset, remedy = f"hf:{NAME}@{commit_of(houses)}", "pip install -r requirements-datasets.txt"
    assert capsys.readouterr().err == f"train.py: {dataset} needs the package datasets: {remedy}\n"
    houses.stop()
    assert train.main(["pix2pix", "--dataset", f"hf:{NAME}", *SMALL]) == 2
    assert f"{houses.url} does not answer, so datasets/{NAME} cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("method", [["gan"], ["pix2pix", "--dataset-mode", "colorization"]])
def test_methods_of_one_domain_are_told_that_there_are_two(
    method: list[str], houses: LoopbackHub, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grey = ["--direction", "ab", "--generator.in-channels", "1", "--generator.out-channels", "2"]
    assert train.main([*method, "--dataset", f"hf:{NAME}", *(grey if len(method) > 1 else [])]) == 2
    assert f"hf:{NAME}@{commit_of(houses)} has two, imageA and imageB" in capsys.readouterr().err
    assert not list(root.glob("hf/owner/houses/*/")), "nothing is downloaded"
