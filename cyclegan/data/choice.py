"""Which images a dataset's name means: named ones, those of the Hugging Face Hub, folders; what they show, and which
are translated after every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from PIL import Image

from cyclegan.config import ConfigError, CycleGANConfig, Direction, GANConfig, MethodConfig, Palette, Pix2PixConfig
from cyclegan.data.datasets import DatasetError, Split, domain_folders, find_split, load_inputs
from cyclegan.data.downloads import data_root
from cyclegan.data.hub_datasets import fetch_from_hub, folder_of
from cyclegan.data.named_datasets import DATASETS, NOISE, fetch
from cyclegan.facades.labels import EXAMPLES, PALETTES, example_facades, looks_like_labels
from cyclegan.hub.repositories import is_on_hub
from cyclegan.runs.run import Domains, SampleInputs
from cyclegan.runs.samples import SAMPLE_SIZE
from cyclegan.runtime import distributed


def find_folder(dataset: str, root: Path | None = None) -> Path:
    """The folder of a dataset: one of the Hub or a named one, downloaded where it is missing, or the path of a folder.

    Raises DownloadError.
    """
    if is_on_hub(dataset):
        return fetch_from_hub(dataset, root)
    return fetch(dataset, root) if dataset in DATASETS else Path(dataset).expanduser()


def known_datasets(config: MethodConfig) -> list[str]:
    """The names of the datasets that a method can be trained on."""
    from_noise = isinstance(config, GANConfig)
    return [name for name, known in DATASETS.items() if (known.domains[0] == NOISE) == from_noise]


def find_dataset(config: MethodConfig, root: Path | None = None, *, download: bool = True) -> Path:
    """The folder of a method's dataset; a named one or one of the Hub is downloaded if it is missing, once of all
    processes of this machine. Raises DatasetError, DownloadError."""
    names = known_datasets(config)
    if is_on_hub(config.dataset) and config.dataset_mode in ("single", "colorization"):
        raise DatasetError(
            f"dataset_mode {config.dataset_mode} takes images of one domain, and {config.dataset} has two, imageA and "
            "imageB; give the path of a folder of images"
        )
    named = config.dataset in names
    if named or is_on_hub(config.dataset):
        here = data_root(root) / config.dataset if named else folder_of(config.dataset, root)
        if not download and not here.is_dir():
            raise DatasetError(
                f"dataset {config.dataset} is not downloaded yet, and a dry run downloads nothing; start the training, "
                "which downloads it first, or give the path of a folder"
            )
        with distributed.first_on_machine():
            return find_folder(config.dataset, root)
    folder = Path(config.dataset).expanduser()
    if not folder.is_dir():
        raise DatasetError(
            f"dataset {config.dataset!r} is neither a folder nor one of {', '.join(names)}; give one of these names, "
            "hf:owner/name for one of the Hugging Face Hub, or the path of a folder of your own images"
        )
    return folder.resolve()


def name_domains(split: Split | None, config: MethodConfig, names: tuple[str, str] | None = None) -> Domains:
    """What the domains are called: by these names, as the mode or the named dataset says, or by whether b holds facade
    label maps. Without a split, a is noise. Raises ConfigError where both have one name."""
    if names:
        a, b = names
    elif config.dataset_mode == "colorization":
        a, b = "grey", "colour"
    elif config.dataset in known_datasets(config):
        a, b = DATASETS[config.dataset].domains
    elif split is None:
        a, b = NOISE, "pictures"
    else:
        sample = split.b[0].load()
        labels = any(looks_like_labels(sample, palette) for palette in PALETTES.values())
        a, b = ("photo", "labels") if labels else ("a", "b")
    if a == b:
        raise ConfigError(f"both domains are called {a!r}; give them different names")
    return Domains(a, b)


def describe_direction(direction: Direction, domains: Domains, split: Split) -> str:
    """Say which images pix2pix translates to which, and how to reverse that."""
    places = {"side-by-side pairs": ("left half", "right half"), "two folders": ("A", "B")}
    a, b = places.get(split.layout, (".jpg", ".png"))
    named = {"a": f"{domains.a} ({a})", "b": f"{domains.b} ({b})"}
    source, target = direction
    return f"translates {named[source]} to {named[target]}; --direction {target}{source} reverses it"


def check_classes(split: Split, config: CycleGANConfig | Pix2PixConfig) -> None:
    """Raise ConfigError if the generator makes label maps of a palette that those of domain b do not have."""
    classes = config.generator.classes
    if classes is not None and not looks_like_labels(split.b[0].load(), PALETTES[classes]):
        raise ConfigError(
            f"generator classes is {classes}, but {split.b[0].path} is no label map in its colours; use "
            f"--generator.classes {' or '.join(get_args(Palette))}, or leave it out"
        )


def held_out(folder: Path, train: Split, config: MethodConfig) -> Split:
    """The split whose images are translated after every epoch: val, else test, else the training images."""
    for name in ("val", "test"):
        folders = domain_folders(folder, name)
        if all(each.is_dir() for each in folders) if folders else (folder / name).is_dir():
            return find_split(folder, name, config.dataset_mode)
    return train


def choose_inputs(
    split: Split, directions: Sequence[Direction], size: int = SAMPLE_SIZE
) -> tuple[dict[Direction, list[Image.Image]], dict[Direction, SampleInputs]]:
    """Fixed inputs for each direction, and what they are: the drawn facades for label maps in their palette, which
    can be published with the run; otherwise eight images of the split, evenly spread, of `size` pixels a side."""
    inputs: dict[Direction, list[Image.Image]] = {}
    kinds: dict[Direction, SampleInputs] = {}
    for direction in directions:
        sources = split.a if direction == "ab" else split.b
        if looks_like_labels(sources[0].load()):
            kinds[direction] = "drawn"
            inputs[direction] = example_facades()
        else:
            kinds[direction] = "dataset"
            inputs[direction] = load_inputs(sources, EXAMPLES, size)
    return inputs, kinds
