"""Convert weights of junyanz/pytorch-CycleGAN-and-pix2pix, the reference, to a run, and those of a run for it:

`python -m cyclegan.runs.convert latest_net_G_A.pth RUN`, `python -m cyclegan.runs.convert RUN OUT --export-reference`.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro

from cyclegan.config import (
    ConfigError,
    CycleGANConfig,
    Direction,
    MethodConfig,
    Pix2PixConfig,
    reversed_way,
)
from cyclegan.networks.reference import (
    BLOCKS,
    CYCLEGAN_NAMES,
    PIX2PIX_NAME,
    FileName,
    describe,
    read_generator,
    reference_state,
)
from cyclegan.networks.storage import WeightsError, load_generator
from cyclegan.runs.run import Domains, Run, RunError
from cyclegan.runtime.files import new_folder, write_atomically

LATEST_EPOCH = 200
"""What `latest` stands for unless told: the reference trains for 200 epochs by default."""


@dataclass(frozen=True)
class Convert:
    """Make a run of generators that the reference, junyanz/pytorch-CycleGAN-and-pix2pix, trained; or of a run the
    files that it loads."""

    paths: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """What to convert: a file of the reference, two for both directions of CycleGAN (latest_net_G_A.pth and
    latest_net_G_B.pth), or, to export, the folder of a run. Last the folder to make; it must not exist, or be empty."""
    export_reference: bool = False
    """Write files that the reference loads."""
    method: Literal["auto", "cyclegan", "pix2pix"] = "auto"
    """What trained it; auto: cyclegan if it is G_A, G_B or a ResNet, otherwise pix2pix."""
    domains: tuple[str, str] = ("a", "b")
    """Public names of the domains a and b, such as photo labels."""
    direction: Direction = "ab"
    """Which way a file translates whose name does not say it; G_A is ab, G_B is ba."""
    epoch: int | None = None
    """Epoch of the weights; as the name of the file says unless given, 200 for latest. To export, the last one."""
    storage: Literal["fp16", "fp32"] = "fp16"
    """fp16: half the size, and at most a level of 255 from the original; fp32: the weights as they are."""
    dropout: bool | None = None
    """Whether a U-Net has dropout, which its weights do not show; pix2pix's has and CycleGAN's has not unless told, as
    the reference trains them. Weights of a ResNet show it."""


def import_reference(
    files: Sequence[Path],
    out: Path,
    *,
    method: Literal["auto", "cyclegan", "pix2pix"] = "auto",
    domains: tuple[str, str] = ("a", "b"),
    direction: Direction = "ab",
    epoch: int | None = None,
    storage: Literal["fp16", "fp32"] = "fp16",
    dropout: bool | None = None,
) -> Run:
    """The run of one or two generators of the reference, made whole or not at all; options as in `Convert`.

    Its training settings are the method's defaults, since weights do not tell them.
    Raises WeightsError where a file is not understood, ConfigError where files or options contradict each other,
    RunError where `out` is in use.
    """
    _check_free(out)
    if domains[0] == domains[1]:
        raise ConfigError(f"both domains are called {domains[0]!r}; give them different names with --domains")
    sources = _by_direction(files, direction)
    epoch = _epoch(files) if epoch is None else epoch
    if epoch < 1:
        raise ConfigError(f"epoch is {epoch}; epochs count from 1: give another with --epoch")
    both_ways = len(files) == 2 or any(FileName.of(path).direction for path in files)
    if dropout is None:
        dropout = method == "pix2pix" or (method == "auto" and not both_ways)
    read = {each: read_generator(path, dropout=dropout) for each, path in sources.items()}
    forward = {way: reversed_way(config) if way == "ba" else config for way, (config, _) in read.items()}
    generator, *others = forward.values()
    if any(other != generator for other in others):
        found = ", ".join(f"{sources[each]} is a {describe(config)}" for each, (config, _) in read.items())
        raise ConfigError(f"{found}; a run has one architecture: make a run of each")
    if method == "auto":
        method = "cyclegan" if both_ways or generator.architecture in BLOCKS.values() else "pix2pix"
    if method == "pix2pix" and len(files) == 2:
        raise ConfigError(
            "pix2pix has one generator, and 2 files are given; leave one out, or choose --method cyclegan"
        )
    unknown, (first, *more) = "unknown (weights of the reference)", sources
    config: MethodConfig
    if method == "cyclegan":
        identity = 0.5 if generator.in_channels == generator.out_channels else 0.0
        config = CycleGANConfig(dataset=unknown, generator=generator, lambda_identity=identity)
    else:
        single = read[first][0]
        mode: Literal["colorization", "aligned"] = "colorization" if single.out_channels == 2 else "aligned"
        config = Pix2PixConfig(dataset=unknown, generator=single, direction=first, dataset_mode=mode)
    only = None if more or method == "pix2pix" else first
    with new_folder(out) as folder:
        run = Run(folder, method, Domains(*domains), config, samples={}, only=only)
        run.write()
        run.write_history([])
        for each, (_, network) in read.items():
            try:
                run.save_snapshot(epoch, {each: network}, storage)
            except WeightsError as error:
                raise WeightsError(f"{sources[each]}: {error}") from None
    return replace(run, folder=out)


def export_reference(run: Run, out: Path, *, epoch: int | None = None) -> None:
    """Write the generators of an epoch, or of the last one, as the reference names and loads them.

    Raises RunError where `out` is in use or there is no such epoch, WeightsError where weights are damaged or the
    reference has no such network.
    """
    _check_free(out)
    epoch = run.check_epoch(epoch)
    with new_folder(out) as folder:
        for direction in run.directions:
            source = run.snapshot_folder(epoch, direction)
            state = OrderedDict(reference_state(*load_generator(source), str(source)))
            name = CYCLEGAN_NAMES[direction] if run.method == "cyclegan" else PIX2PIX_NAME
            for tag in (epoch, "latest"):
                write_atomically(folder / f"{tag}_net_{name}.pth", partial(torch.save, state))


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code: 0, 1 where the disk refuses, 2 for a mistake in the input."""
    command = tyro.cli(Convert, args=arguments, prog="python -m cyclegan.runs.convert")
    try:
        if len(command.paths) < 2:
            raise ConfigError("too few paths; name what to convert, then the folder to make")
        *sources, out = command.paths
        done = _export(command, sources, out) if command.export_reference else _import(command, sources, out)
    except (ConfigError, RunError, WeightsError, OSError) as error:
        sys.stderr.write(f"cyclegan.runs.convert: {error}\n")
        return 1 if isinstance(error, OSError) else 2
    sys.stderr.write(f"{out}: {done}\n")
    return 0


def _import(command: Convert, files: Sequence[Path], out: Path) -> str:
    run = import_reference(
        files,
        out,
        method=command.method,
        domains=command.domains,
        direction=command.direction,
        epoch=command.epoch,
        storage=command.storage,
        dropout=command.dropout,
    )
    routes = " and ".join(f"{run.domain(source)} -> {run.domain(target)}" for source, target in run.directions)
    return f"{run.method}, {describe(run.generator)}, epoch {run.epochs[-1]}, {routes}; stored in {command.storage}"


def _export(command: Convert, runs: Sequence[Path], out: Path) -> str:
    if len(runs) > 1:
        raise ConfigError(f"{len(runs)} runs are given; --export-reference takes one, and the folder to make")
    export_reference(Run.open(runs[0]), out, epoch=command.epoch)
    return ", ".join(sorted(path.name for path in out.iterdir()))


def _check_free(out: Path) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise RunError(f"{out} is there already; choose another folder or remove it")


def _by_direction(files: Sequence[Path], direction: Direction) -> dict[Direction, Path]:
    """Which file translates which way: as its name says, else `direction`, else the way that is left."""
    other: Direction = "ba" if direction == "ab" else "ab"
    found: dict[Direction, Path] = {}
    for path in sorted(files, key=lambda path: FileName.of(path).direction is None):
        way = FileName.of(path).direction or (other if direction in found else direction)
        if way in found:
            raise ConfigError(f"{found[way]} and {path} both translate {way}; give one file for each direction")
        found[way] = path
    return found


def _epoch(files: Sequence[Path]) -> int:
    """The epoch that the names of the files agree on."""
    stated = {epoch for epoch in (FileName.of(path).epoch for path in files) if epoch is not None}
    if len(stated) > 1:
        raise ConfigError(f"the files are of epochs {sorted(stated)}; give two of one epoch, or say which with --epoch")
    if not stated and any(path.stem.startswith("iter_") for path in files):
        raise ConfigError(f"{files[0].name} names an iteration and no epoch; say which epoch it is of with --epoch")
    return stated.pop() if stated else LATEST_EPOCH


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
