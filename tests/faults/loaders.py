"""What reads files from elsewhere, each as a function of bytes: for `fuzz.py`, and to read again what that found."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import re
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import torch
from PIL import Image
from safetensors.torch import save_file

from cyclegan.config import ConfigError, CycleGANConfig, DiscriminatorConfig, GANConfig, GeneratorConfig, Pix2PixConfig
from cyclegan.data.archives import ArchiveError, extract
from cyclegan.data.datasets import DatasetError, find_split
from cyclegan.data.named_datasets import IDX_FILE
from cyclegan.data.noise import IDX_IMAGES, read_pictures
from cyclegan.hub.cards import read_metrics
from cyclegan.images.io import FORMATS, ImageError, open_image
from cyclegan.networks.build import build_discriminator, build_generator
from cyclegan.networks.reference import FileName, reference_state
from cyclegan.networks.storage import Storage, WeightsError, load_discriminator, save_network
from cyclegan.pages.watch.curves import plots_of
from cyclegan.runs.convert import import_reference
from cyclegan.runs.run import Domains, Run, RunError
from cyclegan.runs.run_file import options_of
from cyclegan.runs.sample_archive import pack_samples, unpack_samples
from cyclegan.runs.scores import ScoresError, best_epoch, merge, read_scores, write_scores

RUN = Run(Path(), "cyclegan", Domains("photo", "labels"), CycleGANConfig(dataset="facades"), {"ab": "drawn"})
JUDGE = DiscriminatorConfig("pixel", width=1)
PNG = b"\x89PNG\r\n\x1a\n"
PICTURE = Image.linear_gradient("L").resize((4, 2)).convert("RGB")


@dataclass(frozen=True)
class Loader:
    load: Callable[[Path, bytes], object]
    """Writes the bytes into a folder, in the form that they stand for, and loads them."""
    refusals: tuple[type[Exception], ...]
    """What it may raise."""
    seeds: Callable[[Path], list[bytes]]
    """Bytes that stand for good files, made in a folder."""
    longest: int = 2048
    """Bytes that are tried at most."""


def feed(name: str, content: bytes) -> None:
    """Let a loader have these bytes, in a folder of its own. Raises AssertionError where something lies beside that
    folder then, and whatever the loader raises that is no refusal."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "folder")
        folder.mkdir()
        try:
            LOADERS[name].load(folder, content)
        except LOADERS[name].refusals as refusal:
            assert str(refusal)
        assert [path.name for path in Path(place).iterdir()] == ["folder"]


def good_files(name: str) -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return LOADERS[name].seeds(Path(folder))


def _load_run(folder: Path, content: bytes) -> None:
    (folder / "run.json").write_bytes(content)
    run = Run.open(folder)
    options_of(run.config)
    run.write()
    assert Run.open(folder) == run
    assert run.config.keeps_snapshot(run.config.first_snapshot)
    for direction in run.directions:
        with torch.device("meta"):
            build_generator(run.generator_config(direction))


def _runs(folder: Path) -> list[bytes]:
    runs = (
        replace(RUN, folder=folder, only="ab"),
        replace(RUN, folder=folder, method="pix2pix", config=Pix2PixConfig(dataset="facades")),
        replace(RUN, folder=folder, method="gan", config=GANConfig(), samples={"ab": "noise"}),
    )
    return [(run.write(), (folder / "run.json").read_bytes())[1] for run in runs]  # type: ignore[func-returns-value]


def _load_history(folder: Path, content: bytes) -> None:
    (folder / "history.jsonl").write_bytes(content)
    plots_of(replace(RUN, folder=folder), "run", "en")


def _histories(folder: Path) -> list[bytes]:
    run = replace(RUN, folder=folder)
    losses = {"cycle_a": 1.5, "cycle_b": 0.5, "discriminator_a": 0.25}
    run.write_history([{"epoch": epoch, "losses": losses, "learning_rate": 2e-4, "seconds": 1.0} for epoch in (1, 2)])
    return [(folder / "history.jsonl").read_bytes()]


def _load_metrics(folder: Path, content: bytes) -> None:
    (folder / "metrics.json").write_bytes(content)
    run = replace(RUN, folder=folder)
    for read in (lambda: read_scores(folder), lambda: read_metrics(run), lambda: best_epoch(run, "ab")):
        with suppress(ScoresError, RunError):
            read()


def _metrics(folder: Path) -> list[bytes]:
    epochs = {each: {"values": {"l1": 0.5}, "choice": {"values": {"kid_lite1": float(each)}}} for each in "12"}
    found = {"protocol": {"size": "256"}, "directions": {"ab": {"read_by": None, "epochs": epochs}}}
    write_scores(folder, {"val": merge(None, found)})
    return [(folder / "metrics.json").read_bytes()]


def _load_weights(folder: Path, content: bytes) -> None:
    """The configuration, the header of the weights, and what follows it, between zero bytes."""
    config, header, tensors = (*content.split(b"\0", 2), b"", b"")[:3]
    (folder / "config.json").write_bytes(config)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + tensors)
    load_discriminator(folder, in_channels=1)


def _weights(folder: Path) -> list[bytes]:
    state = build_discriminator(JUDGE, in_channels=1).state_dict()
    seeds = []
    for storage in get_args(Storage):
        save_network(folder, JUDGE, state, storage)
        stored = (folder / "model.safetensors").read_bytes()
        end = 8 + int.from_bytes(stored[:8], "little")
        seeds.append(b"\0".join([(folder / "config.json").read_bytes(), stored[8:end], stored[end:]]))
    return seeds


def _load_reference(folder: Path, content: bytes) -> None:
    """A pickle, as `torch.save` wraps it, beside the storage of all its tensors; or a file as it is."""
    path = folder / "latest_net_G_A.pth"
    if content.startswith(b"\x80"):
        with zipfile.ZipFile(path, "w") as archive:
            for name, part in (("data.pkl", content), ("version", b"3\n"), ("data/0", bytes(1 << 14))):
                archive.writestr(f"archive/{name}", part)
    else:
        path.write_bytes(content[1:])
    import_reference([path], folder / "run")


def _references(folder: Path) -> list[bytes]:
    config = GeneratorConfig("resnet_6blocks", width=1)
    state = reference_state(config, build_generator(config), "")
    flat, at = torch.zeros(1 << 12), 0
    for name, tensor in state.items():
        state[name] = flat[at : at + tensor.numel()].view(tensor.shape)
        at += tensor.numel()
    path = folder / "state"
    torch.save(state, path)
    with zipfile.ZipFile(path) as archive:
        pickled = archive.read("state/data.pkl")
    seeds = [pickled, pickle.dumps({"model.1.weight": 1}, 2)]
    for zipped in (True, False):
        torch.save({"model.1.weight": torch.zeros(1)}, path, _use_new_zipfile_serialization=zipped)
        seeds.append(b"=" + path.read_bytes())
    return seeds


def _load_keys(folder: Path, content: bytes) -> None:
    """Names and shapes of the weights in a file of the reference, a line each."""
    state = {}
    for name, *sides in (line.split(" ") for line in content.decode("latin1").split("\n")):
        state[name] = torch.zeros([min(int(side), 16) for side in sides[:4] if re.fullmatch("[0-9]{1,4}", side)])
    path = folder / "latest_net_G.safetensors"
    save_file(state, path)
    import_reference([path], folder / "run")


def _keys(folder: Path) -> list[bytes]:
    seeds = []
    for config in (GeneratorConfig("resnet_6blocks", width=1), GeneratorConfig("unet_128", width=1, norm="batch")):
        state = reference_state(config, build_generator(config), "")
        seeds.append("\n".join(" ".join([name, *map(str, tensor.shape)]) for name, tensor in state.items()).encode())
    return seeds


def _load_image(folder: Path, content: bytes) -> None:
    """A file; the checksums of a PNG are made right, since little is read behind a wrong one."""
    fixed, at = bytearray(content), len(PNG)
    while content.startswith(PNG) and at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4], "big")
        if end + 4 <= len(content):
            fixed[end : end + 4] = struct.pack(">I", zlib.crc32(content[at + 4 : end]))
        at = end + 4
    (folder / "image").write_bytes(fixed)
    open_image(folder / "image")


def _images(folder: Path) -> list[bytes]:
    deep = Image.new("I;16", (4, 2))
    turned = Image.Exif()
    turned[0x112] = 6
    kinds: list[tuple[Image.Image, str, dict[str, Any]]] = [(PICTURE, kind, {}) for kind in FORMATS]
    kinds += [(PICTURE.convert("RGBA"), "PNG", {}), (PICTURE.convert("P"), "PNG", {"transparency": 0})]
    kinds += [(PICTURE.convert("1"), "TIFF", {"compression": "group4"}), (deep, "PNG", {}), (deep, "TIFF", {})]
    kinds += [(PICTURE.convert("CMYK"), "JPEG", {}), (PICTURE, "JPEG", {"exif": turned, "progressive": True})]
    kinds += [(PICTURE, kind, {"save_all": True, "append_images": [PICTURE.rotate(180)]}) for kind in ("GIF", "WEBP")]
    seeds = []
    for image, kind, options in kinds:
        written = io.BytesIO()
        image.save(written, kind, **options)
        seeds.append(written.getvalue())
    return seeds


def _load_tar(folder: Path, content: bytes) -> None:
    """The blocks of a tar, whose headers get right checksums, since nothing is read behind a wrong one."""
    blocks = bytearray(content)
    for header in range(0, len(blocks) - 511, 512):
        if blocks[header + 257 : header + 262] == b"ustar":
            blocks[header + 148 : header + 156] = b" " * 8
            blocks[header + 148 : header + 156] = b"%06o\0 " % sum(blocks[header : header + 512])
    (folder / "archive").write_bytes(gzip.compress(bytes(blocks), 1))
    extract(folder / "archive", folder / "into")


def _tars(folder: Path) -> list[bytes]:
    seeds = []
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        written = io.BytesIO()
        with tarfile.open(fileobj=written, mode="w", format=form) as archive:
            for name in ("train/1.jpg", "a/" * 3 + "é" if form == tarfile.PAX_FORMAT else "b"):
                member = tarfile.TarInfo(name)
                member.size = 3
                archive.addfile(member, io.BytesIO(b"abc"))
            link = tarfile.TarInfo("link")
            link.type, link.linkname = tarfile.SYMTYPE, "../outside"
            archive.addfile(link)
        seeds.append(written.getvalue().rstrip(b"\0") + bytes(512))
    return seeds


def _load_zip(folder: Path, content: bytes) -> None:
    (folder / "archive").write_bytes(content)
    extract(folder / "archive", folder / "into", any_script=True)


def _zips(folder: Path) -> list[bytes]:
    seeds = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w", method) as archive:
            archive.writestr("train/1.jpg", b"abc")
            archive.writestr("../ü", b"")
        seeds.append(written.getvalue())
    return seeds


def _load_samples(folder: Path, content: bytes) -> None:
    (folder / "samples.zip").write_bytes(content)
    unpack_samples(folder / "samples.zip", folder)
    _ = replace(RUN, folder=folder).sample_epochs


def _sample_archives(folder: Path) -> list[bytes]:
    run = replace(RUN, folder=folder)
    for epoch in (1, 2):
        run.save_sample(epoch, PICTURE)
    return [pack_samples(run)]


def _load_idx(folder: Path, content: bytes) -> None:
    (folder / IDX_FILE).write_bytes(content)
    read_pictures(folder, GANConfig(max_images=100))


def _idx_files(folder: Path) -> list[bytes]:
    return [struct.pack(">4I", IDX_IMAGES, 2, 4, 4) + bytes(range(32))]


def _load_names(folder: Path, content: bytes) -> None:
    """Names between zero bytes, which are those of files wherever names are looked at."""
    for name in map(os.fsdecode, content.split(b"\0")):
        with suppress(OSError):  # too long
            if re.fullmatch(r"\.{0,2}", name) or "/" in name:
                continue
            FileName.of(Path(f"{name}.pth"))
            for path in (folder / "snapshots" / name / "ab", folder / "samples", folder / "train"):
                path.mkdir(parents=True, exist_ok=True)
            (folder / "snapshots" / name / "ab" / "model.safetensors").touch()
            (folder / "samples" / name).touch()
            PICTURE.save(folder / "train" / name, "PNG")
    run = replace(RUN, folder=folder, only="ab")
    for epoch in run.epochs:
        assert run.snapshot_folder(epoch, "ab").is_dir()
    for epoch in run.sample_epochs:
        assert run.sample_path(epoch).is_file()
    if (folder / "train").is_dir():
        str(find_split(folder))


def _names(folder: Path) -> list[bytes]:
    return [
        b"0001\x000002\x000001.webp\x0012345.webp",
        b"1_A.jpg\x001_A.png\x00a10.jpg\x00a10.png",
        b"2_net_G_B\x00x.gif",
    ]


LOADERS = {
    "run": Loader(_load_run, (RunError, ConfigError), _runs, 4096),
    "history": Loader(_load_history, (RunError,), _histories),
    "metrics": Loader(_load_metrics, (), _metrics),
    "weights": Loader(_load_weights, (WeightsError, ConfigError), _weights),
    "reference": Loader(_load_reference, (WeightsError, ConfigError), _references, 8192),
    "keys": Loader(_load_keys, (WeightsError, ConfigError), _keys, 4096),
    "image": Loader(_load_image, (ImageError,), _images),
    "tar": Loader(_load_tar, (ArchiveError,), _tars, 4096),
    "zip": Loader(_load_zip, (ArchiveError,), _zips),
    "samples": Loader(_load_samples, (RunError,), _sample_archives),
    "idx": Loader(_load_idx, (DatasetError, ImageError), _idx_files),
    "names": Loader(_load_names, (DatasetError,), _names),
}
