"""A run is one folder: configuration, history, samples, snapshots, discriminators, checkpoint."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from PIL import Image
from torch import nn

from cyclegan.config import (
    METHODS,
    ConfigError,
    CycleGANConfig,
    Direction,
    DiscriminatorConfig,
    Domain,
    GeneratorConfig,
    Method,
    MethodConfig,
    Pix2PixConfig,
    TranslationConfig,
    from_json,
    reversed_way,
)
from cyclegan.images.encodings import Encoding, encodings_of
from cyclegan.networks.storage import (
    Storage,
    WeightsError,
    load_discriminator,
    load_generator,
    read_architecture,
    save_network,
)
from cyclegan.runs.history import RunError as RunError
from cyclegan.runs.history import read_history
from cyclegan.runs.run_file import FORMAT, Options, RunFile, from_format_1, read_options, to_write
from cyclegan.runs.run_file import Domains as Domains
from cyclegan.runs.run_file import SampleInputs as SampleInputs
from cyclegan.runtime.files import CONFIG_BYTES, RECORD_BYTES, names_in, read_small, write_atomically

_EPOCH = re.compile(r"[0-9]{4}|[1-9][0-9]{4,5}")
"""How the name of a file says its epoch."""


class NewerFormatError(RunError):
    """A run that another version of this program wrote."""


class Source(Protocol):
    """Where the generators of a run are whose folder does not hold them all yet."""

    @property
    def name(self) -> str: ...

    @property
    def epochs(self) -> tuple[int, ...]: ...

    def bring(self, run: Run, epoch: int, direction: Direction) -> None: ...

    def load_generator(self, run: Run, epoch: int, direction: Direction) -> nn.Module: ...

    def look_ahead(self, run: Run, epoch: int, direction: Direction) -> None: ...

    def has_discriminator(self, domain: Domain) -> bool: ...

    def load_discriminator(self, run: Run, domain: Domain) -> nn.Module: ...


@dataclass(frozen=True)
class Run:
    """A run on disk. Only `run.json` is read when it is opened; everything else is read when it is asked for."""

    folder: Path
    method: Method
    domains: Domains
    config: MethodConfig
    samples: Mapping[Direction, SampleInputs]
    """For each direction, in the order of the rows of a sample image: drawn (the project's own label maps,
    `facades/examples`), dataset (images of the validation split) or noise (one picture: a grid of images)."""
    revision: str | None = None
    """Commit of the code that trained it, where known."""
    only: Direction | None = None
    """The one direction of a CycleGAN whose other generator was never published; None where both are there."""
    source: Source | None = field(default=None, compare=False)
    """Where generators come from that are not in the folder yet; None where all that there are lie in it."""
    unknown: Options = field(default_factory=dict)
    """Options, or values of options, that this version does not know: kept when it is written, needed to resume."""
    _architectures: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    @classmethod
    def open(cls, folder: Path | str) -> Run:
        """The run in a folder. Raises RunError or ConfigError where there is none, or one this version cannot read."""
        folder = Path(folder).expanduser()
        path = folder / "run.json"
        try:
            text = read_small(path, CONFIG_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            missing = "it has no run.json" if folder.is_dir() else "there is no such folder"
            if inside := sorted(str(each.parent) for each in folder.glob("*/run.json")):
                missing += f"; runs in it are {', '.join(inside)}"
            raise RunError(f"{folder} is not a run: {missing}") from None
        except OSError as error:
            raise RunError(f"{path} cannot be read: {error.strerror or error}") from None
        try:
            stated = json.loads(text).get("format")
        except (ValueError, AttributeError, RecursionError):
            raise RunError(f"{path} is damaged: it is no JSON object") from None
        if stated not in (1, FORMAT):
            message = f"{path} has format {stated!r}; this version reads formats 1 and {FORMAT}: update the program"
            raise NewerFormatError(message)
        file = from_json(RunFile, text, str(path))
        options = from_format_1(file.config) if stated == 1 else file.config
        config, unknown = read_options(METHODS[file.method], options, f"config in {path}")
        return cls(folder, file.method, file.domains, config, file.samples, file.revision, file.only, unknown=unknown)

    def write(self) -> None:
        """Write `run.json`."""
        write_atomically(self.folder / "run.json", self.to_json())

    def to_json(self) -> bytes:
        """Return the content of `run.json`."""
        config = to_write(self.config, self.unknown)
        content = asdict(
            RunFile(FORMAT, self.method, self.domains, dict(self.samples), self.revision, config, self.only)
        )
        if self.only is None:
            del content["only"]  # what read format 1 before there was this field reads every other run still
        return (json.dumps(content, indent=2) + "\n").encode()

    @property
    def name(self) -> str:
        """What it is called in messages and on the page."""
        return self.source.name if self.source else self.folder.name

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions that it has a generator for."""
        if isinstance(self.config, CycleGANConfig):
            return (self.only,) if self.only else ("ab", "ba")
        return (self.config.direction,) if isinstance(self.config, Pix2PixConfig) else ("ab",)

    @property
    def generator(self) -> GeneratorConfig:
        """The architecture of its generators; of CycleGAN's, that of the direction ab."""
        return self._forward(self.directions[0], self.generator_config(self.directions[0]))

    def generator_config(self, direction: Direction) -> GeneratorConfig:
        """The generator of a direction, as it is stored beside its weights; before there are any, as the options say:
        CycleGAN's generator ba has the channels exchanged."""
        for epoch in () if direction in self._architectures else self.epochs:
            path = self.snapshot_folder(epoch, direction) / "config.json"
            try:
                self._architectures[direction] = read_architecture(GeneratorConfig, path)
                break
            except (ConfigError, WeightsError):  # whoever loads this epoch is told
                continue
        return self._architectures.get(direction) or self._forward(direction, self.config.generator)

    def _forward(self, direction: Direction, config: GeneratorConfig) -> GeneratorConfig:
        """Return the generator with its channels exchanged if it is CycleGAN's of direction ba."""
        return reversed_way(config) if self.method == "cyclegan" and direction == "ba" else config

    @property
    def encodings(self) -> dict[str, Encoding]:
        """How its networks see its domains a and b."""
        return encodings_of(self.directions[0], self.generator_config(self.directions[0]))

    def discriminator(self, domain: Domain) -> DiscriminatorConfig:
        """The architecture of a discriminator, as it is stored beside its weights, or else as the options say."""
        try:
            return read_architecture(DiscriminatorConfig, self.discriminator_folder(domain) / "config.json")
        except (ConfigError, WeightsError):
            return self.config.discriminator

    @property
    def translates(self) -> bool:
        """Whether its generators take images; a plain GAN's take noise."""
        return isinstance(self.config, TranslationConfig)

    def domain(self, letter: str) -> str:
        """The public name of domain a or b."""
        return self.domains.a if letter == "a" else self.domains.b

    def direction_to(self, target: str) -> Direction:
        """The direction that translates to the domain of this public name. Raises RunError listing those there are."""
        if not self.translates:
            raise RunError(f"{self.name} makes {self.domains.b} from noise; it translates no images")
        for direction in self.directions:
            if self.domain(direction[1]) == target:
                return direction
        choices = ", ".join(repr(self.domain(direction[1])) for direction in self.directions)
        raise RunError(f"{self.name} does not translate to {target!r}; it translates to {choices}")

    @property
    def epochs(self) -> tuple[int, ...]:
        """Epochs whose generators are there, or to be had, in every direction, ascending."""
        if self.source:
            return self.source.epochs
        found = []
        for name in names_in(self.folder / "snapshots"):
            if _EPOCH.fullmatch(name) and all(
                (self.folder / "snapshots" / name / direction / "model.safetensors").is_file()
                for direction in self.directions
            ):
                found.append(int(name))
        return tuple(sorted(found))

    def check_epoch(self, epoch: int | None) -> int:
        """The epoch itself, or the last one for None. Raises RunError listing those there are."""
        epochs = self.epochs
        if not epochs:
            raise RunError(f"{self.folder} has no snapshots yet; train it further")
        if epoch is None:
            return epochs[-1]
        if epoch not in epochs:
            raise RunError(f"{self.name} has no epoch {epoch}; it has {', '.join(map(str, epochs))}")
        return epoch

    def snapshot_folder(self, epoch: int, direction: Direction) -> Path:
        return self.folder / "snapshots" / f"{epoch:04d}" / direction

    def save_snapshot(self, epoch: int, generators: Mapping[Direction, nn.Module], storage: Storage = "fp16") -> None:
        """Keep the generators of an epoch."""
        for direction, generator in generators.items():
            folder = self.snapshot_folder(epoch, direction)
            save_network(folder, self.generator_config(direction), generator.state_dict(), storage)

    def load_generator(self, epoch: int, direction: Direction) -> nn.Module:
        """Return the generator of an epoch, float32 on the CPU. Raises WeightsError, ConfigError, or its source's."""
        if self.source:
            return self.source.load_generator(self, epoch, direction)
        return load_generator(self.snapshot_folder(epoch, direction))[1]

    @property
    def judged(self) -> dict[Domain, int]:
        """The domains whose images its discriminators judge, and the channels that each sees: pix2pix's is shown the
        source beside the translation (arXiv:1611.07004 section 3.1)."""
        generator = self.generator
        if self.method == "cyclegan":
            return {"a": generator.in_channels, "b": generator.out_channels}
        if self.method == "pix2pix":
            target: Domain = "b" if self.directions == ("ab",) else "a"
            return {target: generator.in_channels + generator.out_channels}
        return {"b": generator.out_channels}

    @property
    def source_channels(self) -> int:
        """Channels of the source in what its discriminators see."""
        return self.config.generator.in_channels if isinstance(self.config, Pix2PixConfig) else 0

    @property
    def has_discriminators(self) -> bool:
        """Whether the discriminators of its last snapshot are there: to translate, nobody needs them."""
        if self.source:
            return all(self.source.has_discriminator(domain) for domain in self.judged)
        return all((self.discriminator_folder(domain) / "model.safetensors").is_file() for domain in self.judged)

    def discriminator_folder(self, domain: Domain) -> Path:
        return self.folder / "discriminators" / domain

    def save_discriminators(self, discriminators: Mapping[Domain, nn.Module]) -> None:
        """Keep the discriminators, in half precision, in the place of those of an earlier epoch."""
        for domain in self.judged:
            state = discriminators[domain].state_dict()
            save_network(self.discriminator_folder(domain), self.config.discriminator, state)

    def load_discriminator(self, domain: Domain) -> nn.Module:
        """The discriminator of a domain, float32 on the CPU.

        Raises WeightsError or ConfigError where it is damaged, and what its source raises where it cannot be had.
        """
        if self.source:
            return self.source.load_discriminator(self, domain)
        return load_discriminator(
            self.discriminator_folder(domain), in_channels=self.judged[domain], source_channels=self.source_channels
        )[1]

    def history(self) -> list[dict[str, Any]]:
        """Return a record for each epoch, ascending: losses, learning rate, seconds.

        Raises RunError if it is damaged.
        """
        return read_history(self.folder / "history.jsonl")

    def write_history(self, records: list[dict[str, Any]]) -> None:
        """Replace the history by these records."""
        text = "".join(json.dumps(record) + "\n" for record in records)
        write_atomically(self.folder / "history.jsonl", text.encode())

    @property
    def is_there(self) -> bool:
        """Whether its folder still holds this run, and no other that was written in its place."""
        try:
            return Run.open(self.folder) == self
        except (RunError, ConfigError):
            return False

    def sample_path(self, epoch: int) -> Path:
        return self.folder / "samples" / f"{epoch:04d}.webp"

    def read_sample(self, epoch: int) -> io.BytesIO:
        """Return the sample image of an epoch. Raises OSError as `read_small` does."""
        return io.BytesIO(read_small(self.sample_path(epoch), RECORD_BYTES))

    @property
    def sample_epochs(self) -> tuple[int, ...]:
        """Epochs of which a sample image is there, ascending."""
        names = (name.removesuffix(".webp") for name in names_in(self.folder / "samples") if name.endswith(".webp"))
        return tuple(sorted(int(name) for name in names if _EPOCH.fullmatch(name)))

    def save_sample(self, epoch: int, image: Image.Image) -> None:
        """Keep the sample image of an epoch: a row for each direction, a column for each input."""
        content = io.BytesIO()
        image.save(content, "WEBP", quality=80, method=4)
        self.sample_path(epoch).parent.mkdir(exist_ok=True)
        write_atomically(self.sample_path(epoch), content.getvalue())
