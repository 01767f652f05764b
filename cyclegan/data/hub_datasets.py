"""Datasets of the Hugging Face Hub: streamed once into a folder of images, each file as it is there.

`hf:owner/name` is the newest commit of a dataset with the columns imageA and imageB, `hf:owner/name@revision` another.
Each commit has a folder, and is never asked for again.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import HfApi, HfFileSystem
from huggingface_hub.errors import HfHubHTTPError
from tqdm import tqdm

from cyclegan.data.downloads import DownloadError, complete_folder, data_root
from cyclegan.hub.errors import HubError, in_words
from cyclegan.hub.repositories import COMMIT, HF, SECONDS, Address, is_on_hub
from cyclegan.hub.uploads import limit_waiting
from cyclegan.runtime.files import last_change, write_atomically

if TYPE_CHECKING:
    from datasets import IterableDataset

log = logging.getLogger(__name__)

COLUMNS = {"imageA": "A", "imageB": "B"}
"""The columns with the images of domain a and of domain b, as the datasets of the HugGAN community have them."""
SPLITS = {"train": "train", "validation": "val", "val": "val", "test": "test"}
"""What the Hub calls a split, and what it is called here."""
SUFFIXES = {
    b"\xff\xd8\xff": "jpg", b"\x89PNG": "png", b"RIFF": "webp", b"BM": "bmp",
    b"II*\0": "tif", b"MM\0*": "tif", b"GIF8": "gif",
}  # fmt: skip
"""Names of files by how they begin: the formats that are decoded."""
MAX_IMAGE_BYTES = 128_000_000
"""Largest file of an image: 40 megapixels, which are the most that is decoded, have 120 MB where nothing is packed."""
MAX_ROWS = 2_000_000
"""Most rows of a split: two files each."""
MIN_FREE_BYTES = 1_000_000_000
"""What is left free on the disk."""
CHOOSE = "download it yourself, and give the path of a folder with what you choose of it"
ROWS = 100
"""After so many rows it is noted how far a download is."""


def address_of(dataset: str) -> Address:
    """Return where on the Hub a dataset lies. Raises DownloadError if its name is none."""
    with _explained(dataset.removeprefix(HF)):
        return Address.parse(dataset.removeprefix(HF))


def pinned(dataset: str, root: Path | None = None) -> str:
    """Return a dataset of the Hub by its commit, so that a run goes on with the same images; any other as it is.

    If the Hub does not answer, the commit that was downloaded last. Raises DownloadError.
    """
    if not is_on_hub(dataset) or COMMIT.fullmatch(address_of(dataset).revision or ""):
        return dataset
    address = address_of(dataset)
    here = [path for path in (data_root(root) / "hf" / address.name).glob("*") if COMMIT.fullmatch(path.name)]
    with _explained(address):
        try:
            commit = str(HfApi().dataset_info(address.name, revision=address.revision, timeout=SECONDS).sha)
        except Exception as error:
            if not here or address.revision is not None or in_words(error, str(address)).wait is None:
                raise
            commit = max(here, key=last_change).name
            log.warning("the Hub does not answer (%s); %s is taken as it was in %s", error, dataset, commit)
    if not COMMIT.fullmatch(commit):
        raise DownloadError(f"the Hub's answer about {dataset} names no commit, but {commit[:80]!r}; try again later")
    return f"{HF}{address.name}@{commit}"


def folder_of(dataset: str, root: Path | None = None) -> Path:
    """Return where the images of a dataset of the Hub are, once they are downloaded. Raises DownloadError."""
    address = address_of(pinned(dataset, root))
    return data_root(root) / "hf" / address.name / str(address.revision)


def fetch_from_hub(dataset: str, root: Path | None = None) -> Path:
    """Return the folder of a dataset of the Hub, downloaded if it is missing. Raises DownloadError."""
    folder = folder_of(dataset, root)
    address = Address(address_of(dataset).name, folder.name)
    try:
        return complete_folder(folder, lambda work: _bring(address, work))
    except OSError as error:  # a disk's: those of the network have become DownloadError
        remedy = "Free some space, or set CYCLEGAN_DATASETS to another folder"
        raise DownloadError(f"dataset {HF}{address} cannot be stored: {error}. {remedy}") from error


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
    """Return the splits, by what they are called here; images are not decoded. Raises DownloadError."""
    try:
        from datasets import Image, load_dataset
    except ImportError:
        remedy = "pip install -r requirements-datasets.txt"
        raise DownloadError(f"{HF}{address} needs the package datasets: {remedy}") from None
    limit_waiting()
    with _explained(address):
        HfApi().auth_check(address.name, repo_type="dataset")
        # A name without the prefix would also be that of a local folder. Code in a repository is never run.
        found = load_dataset(f"hf://datasets/{address.name}", revision=address.revision, streaming=True)
        splits = {SPLITS[name]: stream for name, stream in found.items() if name in SPLITS}
        if "train" not in splits:
            raise DownloadError(f"{HF}{address} has no split train, but {', '.join(found)}")
        features = splits["train"].features or {}
        # Encoded images, declared as such or as what datasets stores them in.
        held = [name for name, each in features.items() if isinstance(each, (Image, dict))]
        if lacking := [name for name in COLUMNS if name not in held]:
            raise DownloadError(
                f"{HF}{address} has no images in {' and '.join(lacking)}: its columns are {', '.join(features)}, "
                "but imageA and imageB are needed, the images of domain a and of domain b"
            )
        return {split: stream.decode(False).select_columns(list(COLUMNS)) for split, stream in splits.items()}


def _store(address: Address, stream: IterableDataset, split: Path, note: Path) -> None:
    """Write each image into `{split}A` or `{split}B`, named by its row: both of a pair have one name."""
    row = done = 0
    if note.exists():
        done, position = json.loads(note.read_bytes())
        stream.load_state_dict(position)
    with closing(_rows(stream, address)) as rows:
        for row, files in enumerate(tqdm(rows, split.name, initial=done, unit=" rows", disable=None), done + 1):
            if row > MAX_ROWS:
                limit = f"has more than {MAX_ROWS:,} rows in {split.name}, the limit"
                raise DownloadError(f"{HF}{address} {limit}; {CHOOSE}")
            if (free := shutil.disk_usage(split.parent).free) < MIN_FREE_BYTES:
                raise DownloadError(
                    f"{HF}{address} stops at row {row} of {split.name}: {free / 1e6:.0f} MB are free on the disk, and "
                    f"{MIN_FREE_BYTES / 1e6:.0f} MB are to be left. Free some space, and the same command goes on; or "
                    "set CYCLEGAN_DATASETS to another folder"
                )
            for column, content in files.items():
                suffix = _suffix(content, f"{HF}{address} has in {column}, row {row} of {split.name},")
                Path(f"{split}{COLUMNS[column]}", f"{row}.{suffix}").write_bytes(content)
            if row % ROWS == 0:
                write_atomically(note, json.dumps([row, stream.state_dict()]).encode())
    if row:
        write_atomically(note, json.dumps([row, stream.state_dict()]).encode())


def _rows(stream: IterableDataset, address: Address) -> Generator[dict[str, bytes]]:
    """Yield the files of each row; if an unpaired dataset has more images of one domain, those alone."""
    with _explained(address, "; what has come is kept, and the same command goes on"):
        for row in stream:
            files = {column: _file(row[column], address) for column in COLUMNS}
            yield {column: content for column, content in files.items() if content is not None}


def _file(cell: dict[str, Any] | None, address: Address) -> bytes | None:
    """Return the encoded image of a row: in the table, or a file beside it."""
    content, path = (cell["bytes"], cell.get("path")) if cell else (None, None)
    if content is not None or path is None:
        return content
    if not path.startswith(f"hf://datasets/{address}/") or ".." in path.split("/"):
        raise DownloadError(f"{HF}{address} has the image {path}, which is no file of its own; not opened")
    with HfFileSystem().open(path) as file:
        _check_size(file.size, f"{HF}{address} has in {path}")
        return bytes(file.read())


def _check_size(size: int, where: str) -> None:
    if size > MAX_IMAGE_BYTES:
        raise DownloadError(f"{where} {size:,} bytes; at most {MAX_IMAGE_BYTES:,} are taken of an image; {CHOOSE}")


def _suffix(content: object, where: str) -> str:
    """Return what kind of image it is. Raises DownloadError if it is none that is decoded, or too large."""
    if not isinstance(content, bytes):
        raise DownloadError(f"{where} {type(content).__name__} and no bytes of an image; {CHOOSE}")
    _check_size(len(content), where)
    for start, suffix in SUFFIXES.items():
        if content.startswith(start):
            return suffix
    known = ", ".join(sorted(set(SUFFIXES.values())))
    raise DownloadError(f"{where} no image of a format that is read ({known}), but {content[:8]!r}; {CHOOSE}")


@contextmanager
def _explained(address: Address | str, remedy: str = "") -> Iterator[None]:
    """Raise whatever the Hub and datasets raise as DownloadError, in a line."""
    try:
        yield
    except DownloadError:
        raise
    except Exception as error:
        found, said = in_words(error, f"datasets/{address}"), str(error).partition("\n")[0] or type(error).__name__
        known = isinstance(error, (HubError, HfHubHTTPError)) or found.wait is not None
        raise DownloadError((str(found) if known else f"{HF}{address} cannot be read: {said}") + remedy) from None
