"""Named datasets: where they are, and how they come here."""

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from cyclegan.data.archives import ArchiveError, extract
from cyclegan.data.downloads import Archive, DownloadError, complete_folder, data_root, download
from cyclegan.data.openmoji import pair_emoji
from cyclegan.images.io import ImageError

logger = logging.getLogger(__name__)

NOISE = "noise"
"""Domain a of the datasets that pictures are made for from noise: those of the gan method."""
IDX_FILE = "train-images-idx3-ubyte"
"""The training images in one file, of MNIST and everything that has its format."""


@dataclass(frozen=True)
class NamedDataset:
    """`domains` are the public names of a and b; `archives` are in the order in which to try them.

    If domain b has an archive of its own, `pair(a, b, folder)` writes the dataset of both to `folder`.
    """

    domains: tuple[str, str]
    archives: tuple[Archive, ...]
    content: str = "its folders train, test, ..."
    """What the folder of the dataset must hold, for one who unpacks the archive by hand."""
    archive_b: Archive | None = None
    pair: Callable[[Path, Path, Path], None] | None = None


_HOST = "efrosgans.eecs.berkeley.edu"

# Bytes and sha256 of CycleGAN's archives, from tensorflow_datasets, url_checksums/cycle_gan.txt.
_ZIPS = {
    "facades": (35135868, "9a31ebf3a31b9b5cd195dd5bf62e9308e00cb94604d1019e3889ac84248695c0"),
    "horse2zebra": (116867962, "a74d9d392eecca9966b51287a76ca126af473d9de4f3e8fc0e9cda08fa1730a1"),
    "apple2orange": (78456409, "845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8"),
    "maps": (1476754427, "639534f69dbf9f36bef8d6292a7698006361221f83f0285d7c9ca78afe6e8a9e"),
    "summer2winter_yosemite": (132640856, "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9"),
    "monet2photo": (305231073, "88f91b00fc228f97c9411fbf1880ec1d119c98f1722e4cfcfaa2fb35fac05b04"),
    "cezanne2photo": (279885071, "3a6c10ca21f9485862f1cbd707744b9dc258954a04631271d23a3605eeb63cff"),
    "ukiyoe2photo": (292946532, "02a2a2fb5ecf425ca1bf86aca7304377da64a2a1d3b86df54eb65e4068bf3b08"),
    "vangogh2photo": (306590349, "362c3473e70be0944bda08d49d660eafdc2854df55d697835b8186d1d79caaff"),
    "iphone2dslr_flower": (339964458, "8fcb5e374d631b107e1d961b8c4cd0a186aa2a4ff3e279923f4c426128de7113"),
}


def _paired(name: str) -> tuple[Archive, ...]:
    """pix2pix's archives: side-by-side pairs in train/, val/, test/. Their checksums are not published, so that they
    are fetched over https alone."""
    return (Archive(f"https://{_HOST}/pix2pix/datasets/{name}.tar.gz"),)


def _openmoji(style: str) -> Archive:
    """One style of OpenMoji's release: CODE.png of 618x618 pixels. Its checksum is not published."""
    return Archive(f"https://github.com/hfg-gmuend/openmoji/releases/download/17.0.0/openmoji-618x618-{style}.zip")


def _unpaired(name: str) -> tuple[Archive, ...]:
    """CycleGAN's archives: trainA/, trainB/, testA/, testB/."""
    size, sha256 = _ZIPS[name]
    path = f"{_HOST}/cyclegan/datasets/{name}.zip"
    return Archive(f"https://{path}", sha256, size), Archive(f"http://{path}", sha256, size)


DATASETS: dict[str, NamedDataset] = {
    # The dataset reader recognises either layout by looking.
    "facades": NamedDataset(("photo", "labels"), _paired("facades") + _unpaired("facades")),
    "maps": NamedDataset(("aerial photo", "map"), _paired("maps") + _unpaired("maps")),
    "edges2shoes": NamedDataset(("edges", "shoes"), _paired("edges2shoes")),
    "edges2handbags": NamedDataset(("edges", "handbags"), _paired("edges2handbags")),
    "night2day": NamedDataset(("night", "day"), _paired("night2day")),
    "openmoji": NamedDataset(
        ("emoji", "drawing"), (_openmoji("color"),), archive_b=_openmoji("black"), pair=pair_emoji
    ),
    "horse2zebra": NamedDataset(("horse", "zebra"), _unpaired("horse2zebra")),
    "apple2orange": NamedDataset(("apple", "orange"), _unpaired("apple2orange")),
    "summer2winter_yosemite": NamedDataset(("summer", "winter"), _unpaired("summer2winter_yosemite")),
    "monet2photo": NamedDataset(("Monet", "photo"), _unpaired("monet2photo")),
    "cezanne2photo": NamedDataset(("Cezanne", "photo"), _unpaired("cezanne2photo")),
    "ukiyoe2photo": NamedDataset(("Ukiyo-e", "photo"), _unpaired("ukiyoe2photo")),
    "vangogh2photo": NamedDataset(("Van Gogh", "photo"), _unpaired("vangogh2photo")),
    "iphone2dslr_flower": NamedDataset(("iPhone", "DSLR"), _unpaired("iphone2dslr_flower")),
    # Xiao et al. 2017 (arXiv:1708.07747): 60,000 images of 28x28; address and checksum are torchvision's. Its labels
    # and test images are of no use to the plain GAN.
    "fashion-mnist": NamedDataset(
        (NOISE, "clothes"),
        (
            Archive(
                f"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/{IDX_FILE}.gz",
                md5="8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            ),
        ),
        f"{IDX_FILE} or {IDX_FILE}.gz",
    ),
}


def fetch(name: str, root: Path | None = None) -> Path:
    """Return the folder of the named dataset, downloaded first if it is missing.

    $CYCLEGAN_MIRROR, the URL of a folder with the archives, is tried before the public mirrors.
    Raises ValueError for an unknown name, DownloadError if no mirror delivers or the disk refuses.
    """
    if name not in DATASETS:
        raise ValueError(
            f"unknown dataset {name!r}; known are {', '.join(DATASETS)}. "
            "The path of a folder of your own images works too"
        )
    dataset, folder = DATASETS[name], data_root(root) / name
    by_hand = f", or unpack {dataset.archives[0].url} yourself, so that {folder} holds {dataset.content}"
    if dataset.pair:
        by_hand = ""  # an archive alone is not the dataset
    try:
        return complete_folder(folder, lambda work: _bring(dataset, work))
    except ArchiveError as error:
        raise DownloadError(
            f"dataset {name!r} cannot be downloaded:\n{error}\nTry again later: what arrived of a broken transfer is "
            f"kept. Or set CYCLEGAN_MIRROR to the URL of a folder with the archive{by_hand}"
        ) from None
    except OSError as error:  # a disk's: those of the network have become ArchiveError
        raise DownloadError(
            f"dataset {name!r} cannot be stored: {error}. Free some space, or set CYCLEGAN_DATASETS to "
            f"another folder{by_hand}"
        ) from error


def _bring(dataset: NamedDataset, work: Path) -> Path:
    """Return the folder of the dataset, complete, in `work`. Raises ArchiveError."""
    content = _obtain(_mirrors(dataset.archives), work, work / "unpacked")
    if dataset.pair is None or dataset.archive_b is None:
        return content
    content_b = _obtain(_mirrors((dataset.archive_b,)), work, work / "unpacked_b")
    paired = work / "paired"
    shutil.rmtree(paired, ignore_errors=True)
    try:
        dataset.pair(content, content_b, paired)
    except (FileNotFoundError, ImageError) as error:
        raise ArchiveError(f"the images of the two archives do not fit together: {error}") from error
    return paired


def _obtain(mirrors: Sequence[Archive], work: Path, unpacked: Path) -> Path:
    """Return a folder with what the first good mirror has. Raises ArchiveError, with all reasons, if none is."""
    failures = []
    shutil.rmtree(unpacked, ignore_errors=True)  # by a process that was killed
    for archive in mirrors:
        # The parts of different mirrors are never mixed: they may be different files.
        path = work / hashlib.sha256(archive.url.encode()).hexdigest()[:16]
        try:
            download(archive, path)
            if archive.filename == f"{IDX_FILE}.gz":  # no archive of files: it is read as it is
                unpacked.mkdir()
                return path.replace(unpacked / archive.filename).parent
            return extract(path, unpacked)
        except ArchiveError as error:
            path.unlink(missing_ok=True)  # the wrong bytes are not worth keeping
            logger.warning("%s: %s", archive.url, error)
            failures.append(f"  {archive.url}: {error}")
    raise ArchiveError("\n".join(failures))


def _mirrors(archives: tuple[Archive, ...]) -> list[Archive]:
    near = os.environ.get("CYCLEGAN_MIRROR")
    if not near:
        return list(archives)
    if urlsplit(near).scheme not in ("http", "https"):
        raise DownloadError(f"CYCLEGAN_MIRROR is {near!r}; it must be a folder's http:// or https:// URL")
    local = [replace(each, url=f"{near.rstrip('/')}/{each.filename}") for each in archives]
    return list(dict.fromkeys([*local, *archives]))
