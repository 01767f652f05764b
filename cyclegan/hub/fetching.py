"""Runs from the Hugging Face Hub: opened by a few requests, each epoch's generators fetched when they are looked at.

The folder of a commit in huggingface_hub's cache has the shape of a run folder, so it is one: `run.json`, the history
and the samples are fetched when it is opened, and generators join them one by one.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import inf
from pathlib import Path

import torch

from cyclegan.config import Direction, GeneratorConfig
from cyclegan.hub.errors import HubError
from cyclegan.hub.repositories import Address, Listing, Transfer, get_file, list_files, repository_cache
from cyclegan.hub.source import WEIGHTS, HubSource, without_paths
from cyclegan.networks.build import build_generator
from cyclegan.networks.storage import read_architecture
from cyclegan.runs.examples import LARGEST_EXAMPLE, example_files
from cyclegan.runs.run import Run
from cyclegan.runs.sample_archive import NAME as SAMPLE_ARCHIVE
from cyclegan.runs.sample_archive import unpack_samples
from cyclegan.runtime.files import CONFIG_BYTES, RECORD_BYTES

MB = 2**20
LIMITS = {
    "run.json": CONFIG_BYTES,
    "history.jsonl": RECORD_BYTES,
    "metrics.json": RECORD_BYTES,
    SAMPLE_ARCHIVE: 512 * MB,
}
"""What is fetched when a run is opened, and how many bytes it may have."""
LARGEST_FOREIGN = 512 * MB
"""Bytes of a generator of which no configuration tells the size beforehand."""
HEADER = MB
"""Bytes of a safetensors file beside its tensors: tens of kB, and pages of notes."""
MOST_SAMPLES = 500
"""Sample images that are fetched one by one, two requests each; of more, so many spread over the training."""
_SAMPLE = re.compile(r"samples/[0-9]{4,6}\.webp")
_REFERENCE = re.compile(r"(?P<folder>.*/)?(?P<epoch>latest|[0-9]{1,6})_net_G(?:_[AB])?\.pth")


def is_address(source: str | Path) -> bool:
    """Whether this means a repository on the Hub: text such as owner/name, and no folder or file of that name."""
    if isinstance(source, Path) or Path(source).exists():
        return False
    try:
        Address.parse(source)
    except HubError:
        return False
    return not source.startswith(("./", "../"))


def open_run(source: str | Path, transfer: Transfer | None = None, *, samples: bool = True) -> Run:
    """The run in a folder or, where there is no such folder, of the repository on the Hub that the text names; without
    its sample images, where these are not wanted.

    Raises RunError or ConfigError for a folder, HubError for a repository, Cancelled by way of the transfer.
    """
    if not is_address(source):
        return Run.open(source)
    address = Address.parse(str(source))
    try:
        listing = list_files(address)
    except HubError as error:
        if Path(address.name).parent.is_dir():  # then it may be a path, mistyped
            raise HubError(error.fault, error.repository, f"there is no folder {address.name}, and {error}") from None
        raise
    transfer = transfer or Transfer()
    with without_paths(listing):
        if "run.json" not in listing.files:
            return _open_foreign(listing, transfer)
        return _open_listed(listing, transfer, samples)


def _open_listed(listing: Listing, transfer: Transfer, with_samples: bool) -> Run:
    transfer.total += listing.files["run.json"].size
    folder = get_file(listing, "run.json", transfer, limit=LIMITS["run.json"]).parent
    run = Run.open(folder)
    weights = {
        (int(match[1]), direction): name
        for name in listing.files
        for direction in run.directions
        if (match := re.fullmatch(rf"snapshots/([0-9]{{4}}|[1-9][0-9]{{4,5}})/{direction}/{re.escape(WEIGHTS)}", name))
    }
    source = HubSource(listing, weights, run.directions)
    if not source.epochs:
        empty = f"{listing.address} holds no whole epoch yet; publish the run again, or train it further"
        raise HubError("foreign", str(listing.address), empty)
    run = replace(run, source=source)
    names = {name for name in LIMITS if name in listing.files and (with_samples or name != SAMPLE_ARCHIVE)}
    if with_samples and SAMPLE_ARCHIVE not in names:
        samples = sorted(filter(_SAMPLE.fullmatch, listing.files))
        names.update(samples[:: -(-len(samples) // MOST_SAMPLES) or 1])
    limits = LIMITS | dict.fromkeys(example_files(listing.files), LARGEST_EXAMPLE)
    names.update(example_files(listing.files))
    transfer.total += sum(listing.files[name].size for name in names - {"run.json"})
    first = [weights[source.epochs[0], each].replace(WEIGHTS, "config.json") for each in run.directions]
    with ThreadPoolExecutor(8, "hub-files") as pool:
        # Two directions often have one content, which comes once or twice: it is not counted.
        small = {name: Transfer() for name in first if name in listing.files}
        fetched = pool.map(
            lambda name: get_file(
                listing,
                name,
                small.get(name, transfer),
                limit=CONFIG_BYTES if name in small else limits.get(name, RECORD_BYTES),
            ),
            [*small, *names - {"run.json"}],
        )
        for path in list(fetched)[: len(small)]:
            read_architecture(GeneratorConfig, path)
    for direction in run.directions:
        _check_sizes(run, source, direction)
    if SAMPLE_ARCHIVE in names:
        unpack_samples(folder / SAMPLE_ARCHIVE, folder)
    return run


def _check_sizes(run: Run, source: HubSource, direction: Direction) -> None:
    """Raise HubError if weights of a direction cannot be what its architecture says."""
    listing = source.listing
    with torch.device("meta"):
        count = sum(weight.numel() for weight in build_generator(run.generator_config(direction)).parameters())
    for name in (name for (_, each), name in source.names.items() if each == direction):
        size = listing.files[name].size
        if not count <= size <= 4 * count + HEADER:  # 1 to 4 bytes each
            told = f"the {count / 1e6:.1f} million weights that its config.json tells of have another size"
            message = f"{name} in {listing.address} has {size / 1e6:.1f} MB; {told}: it is not opened"
            raise HubError("refused", str(listing.address), message)


def _open_foreign(listing: Listing, transfer: Transfer) -> Run:
    """The run made of a repository that holds a generator of the reference, kept beside what was fetched of it.

    Raises HubError where it holds none, and whatever `import_reference` does.
    """
    _, name = listing.address.name.split("/")
    files = _foreign_files(listing)
    out = repository_cache(listing.address.name) / "converted" / listing.commit / name
    if not (out / "run.json").is_file():
        from cyclegan.runs.convert import import_reference

        transfer.total += sum(listing.files[file].size for file in files)
        paths = [get_file(listing, file, transfer, limit=LARGEST_FOREIGN) for file in files]
        import_reference(paths, out, domains=_domains(name))
    return Run.open(out)


def _foreign_files(listing: Listing) -> list[str]:
    """The newest generators that the reference has left, G_A and G_B or G alone."""
    found = [match for match in map(_REFERENCE.fullmatch, listing.files) if match]
    folders = sorted({match["folder"] or "" for match in found}, key=lambda folder: (folder.count("/"), folder))
    if len(folders) > 1 and folders[0]:
        several = f"{listing.address} holds several models, in {', '.join(folders)}; only one in a repository is opened"
        raise HubError("foreign", str(listing.address), several)
    beside = [match for match in found if (match["folder"] or "") == folders[0]]
    if beside:
        newest = max((match["epoch"] for match in beside), key=lambda epoch: int(epoch) if epoch.isdigit() else inf)
        return sorted(match[0] for match in beside if match["epoch"] == newest)
    none = "it has no run.json, and no generator of the reference, such as latest_net_G.pth"
    raise HubError("foreign", str(listing.address), f"{listing.address} is no run of this program: {none}")


def _domains(name: str) -> tuple[str, str]:
    """What its domains are called, as far as the name of a repository tells: horse2zebra."""
    told = re.search(r"([a-z]{2,20})2([a-z]{2,20})", name.lower())
    return (told[1], told[2]) if told and told[1] != told[2] else ("picture", "translation")
