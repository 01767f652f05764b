"""Datasets of the Hugging Face Hub: streamed once into a folder of images, each file as it is there.

`hf:owner/name` is the newest commit of a dataset with the columns imageA and imageB, `hf:owner/name@revision` another.
Each commit has a folder, and is never asked for again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Generator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import HfApi, HfFileSystem
from huggingface_hub.errors import HfHubHTTPError
from tqdm import tqdm

from cyclegan.data.arrivals import arrived
from cyclegan.data.downloads import DATASETS, DownloadError, data_root, fetch
from cyclegan.files import write_atomically
from cyclegan.hub.errors import HubError, in_words, is_unreachable
from cyclegan.hub.repositories import COMMIT, SECONDS, Address
from cyclegan.hub.uploads import limit_waiting

if TYPE_CHECKING:
    from datasets import IterableDataset

log = logging.getLogger(__name__)

PREFIX = "hf:"
COLUMNS = {"imageA": "A", "imageB": "B"}
"""The columns with the images of domain a and of domain b, as the datasets of the HugGAN community have them."""
SPLITS = {"train": "train", "validation": "val", "val": "val", "test": "test"}
"""What the Hub calls a split, and what it is called here."""
SUFFIXES = {b"\x89PNG": "png", b"RIFF": "webp", b"BM": "bmp", b"II*\0": "tif", b"MM\0*": "tif", b"GIF8": "gif"}
"""Names of files by how they begin; JPEG for the rest, which is found out when it is read."""
ROWS = 100
"""After so many rows it is noted how far a download is."""


def find_folder(dataset: str, root: Path | None = None) -> Path:
    """The folder of a dataset: one of the Hub or a named one, downloaded where it is missing, or the path of a folder.

    Raises DownloadError.
    """
    if is_on_hub(dataset):
        return _fetch(address_of(pinned(dataset, root)), root)
    return fetch(dataset, root) if dataset in DATASETS else Path(dataset).expanduser()


def is_on_hub(dataset: str) -> bool:
    return dataset.startswith(PREFIX)


def address_of(dataset: str) -> Address:
    """Where on the Hub a dataset lies. Raises DownloadError where its name is none."""
    try:
        return Address.parse(dataset.removeprefix(PREFIX))
    except HubError as error:
        raise DownloadError(str(error)) from None


def pinned(dataset: str, root: Path | None = None) -> str:
    """A dataset of the Hub by its commit, so that a run goes on with the same images; any other as it is.

    Where the Hub does not answer, the newest commit that is here. Raises DownloadError.
    """
    if not is_on_hub(dataset) or COMMIT.fullmatch(address_of(dataset).revision or ""):
        return dataset
    address = address_of(dataset)
    try:
        info = HfApi().dataset_info(address.name, revision=address.revision, timeout=SECONDS)
    except Exception as error:
        here = _newest(_home(address.name, root)) if address.revision is None and is_unreachable(error) else None
        if here is None:
            raise _explain(error, address) from None
        log.warning("the Hub does not answer (%s); %s is taken as it was in %s", type(error).__name__, dataset, here)
        return f"{PREFIX}{address.name}@{here.name}"
    return f"{PREFIX}{address.name}@{info.sha}"


def _home(name: str, root: Path | None) -> Path:
    """The folder of a dataset's commits."""
    return data_root(root) / "hf" / name


def _newest(home: Path) -> Path | None:
    commits = [each for each in home.glob("*") if COMMIT.fullmatch(each.name)]
    return max(commits, key=lambda each: each.stat().st_mtime, default=None)


def _fetch(address: Address, root: Path | None) -> Path:
    """The folder of a commit, downloaded where it is missing. Raises DownloadError."""
    try:
        return arrived(_home(address.name, root) / str(address.revision), lambda work: _bring(address, work / "parts"))
    except OSError as error:  # a disk's: those of the network have become DownloadError
        raise DownloadError(
            f"dataset {PREFIX}{address} cannot be stored: {error}. Free some space, or set CYCLEGAN_DATASETS to "
            "another folder"
        ) from error


def _bring(address: Address, parts: Path) -> Path:
    """Write the images of all splits into folders, going on where the last call broke off."""
    images = parts / "images"
    for split, stream in _open(address).items():
        for letter in COLUMNS.values():
            (images / f"{split}{letter}").mkdir(parents=True, exist_ok=True)
        # Where a stream is, another version of datasets may say in other words.
        _store(address, stream, images / split, parts / f"{split}-{version('datasets')}.json")
    return images


def _open(address: Address) -> dict[str, IterableDataset]:
    """The splits, by what they are called here; images are not decoded. Raises DownloadError."""
    try:
        from datasets import load_dataset
    except ImportError:
        raise DownloadError(
            f"{PREFIX}{address} needs the package datasets: pip install -r requirements-datasets.txt"
        ) from None
    limit_waiting()
    try:
        HfApi().auth_check(address.name, repo_type="dataset")
        # A name without the prefix would also be that of a local folder. Code in a repository is never run.
        found = load_dataset(f"hf://datasets/{address.name}", revision=address.revision, streaming=True)
        splits = {SPLITS[name]: stream for name, stream in found.items() if name in SPLITS}
        if "train" not in splits:
            raise DownloadError(f"{PREFIX}{address} has no split train, but {', '.join(found)}")
        features = splits["train"].features or {}
        if lacking := [name for name in COLUMNS if not _holds_images(features.get(name))]:
            raise DownloadError(
                f"{PREFIX}{address} has no images in {' and '.join(lacking)}: its columns are {', '.join(features)}, "
                "but imageA and imageB are needed, the images of domain a and of domain b"
            )
        return {split: stream.decode(False).select_columns(list(COLUMNS)) for split, stream in splits.items()}
    except DownloadError:
        raise
    except Exception as error:  # datasets raises whatever it meets
        raise _explain(error, address) from None


def _holds_images(feature: Any) -> bool:
    """Whether a column holds encoded images, declared as such or as what datasets stores them in."""
    from datasets import Image

    return isinstance(feature, Image) or (isinstance(feature, dict) and "bytes" in feature)


def _store(address: Address, stream: IterableDataset, split: Path, note: Path) -> None:
    """Write each image into `{split}A` or `{split}B`, named by its row: both of a pair have one name."""
    done = rows = 0
    if note.exists():
        done, position = json.loads(note.read_bytes())
        stream.load_state_dict(position)
    with closing(_rows(stream, address)) as coming:
        for rows, row in enumerate(tqdm(coming, split.name, initial=done, unit=" rows", disable=None), done + 1):
            for column, content in row.items():
                Path(f"{split}{COLUMNS[column]}", f"{rows}.{_suffix(content)}").write_bytes(content)
            if rows % ROWS == 0:
                write_atomically(note, json.dumps([rows, stream.state_dict()]).encode())
    write_atomically(note, json.dumps([rows, stream.state_dict()]).encode())


def _rows(stream: IterableDataset, address: Address) -> Generator[dict[str, bytes]]:
    """The files of each row; where an unpaired dataset has more images of one domain, those alone. Raises
    DownloadError."""
    try:
        for row in stream:
            files = {column: _file(row[column], address) for column in COLUMNS}
            yield {column: content for column, content in files.items() if content is not None}
    except DownloadError:
        raise
    except Exception as error:  # datasets raises whatever it meets
        said = _explain(error, address)
        raise DownloadError(f"{said}; what has come is kept, and the same command goes on") from None


def _file(cell: dict[str, Any] | None, address: Address) -> bytes | None:
    """The encoded image of a row: in the table, or a file beside it."""
    content, path = (cell["bytes"], cell.get("path")) if cell else (None, None)
    if content is not None or path is None:
        return content
    if not path.startswith(f"hf://datasets/{address}/") or ".." in path.split("/"):
        raise DownloadError(f"{PREFIX}{address} has the image {path}, which is no file of its own; not opened")
    return HfFileSystem().read_bytes(path)


def _suffix(content: bytes) -> str:
    return next((suffix for start, suffix in SUFFIXES.items() if content.startswith(start)), "jpg")


def _explain(error: BaseException, address: Address) -> DownloadError:
    """The error in a line: in our words where it is the Hub's, in those of datasets else."""
    if isinstance(error, HfHubHTTPError) or is_unreachable(error):
        return DownloadError(str(in_words(error, f"datasets/{address}")))
    said = str(error).partition("\n")[0] or type(error).__name__
    return DownloadError(f"{PREFIX}{address} cannot be read: {said}")
