"""A generator as an ONNX file, for other programs: `python -m cyclegan.runs.export RUN house.onnx --to photo`."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from torch import Tensor, nn

from cyclegan.config import SIZE_MULTIPLE, SMALLEST_SIZE, ConfigError, Direction
from cyclegan.networks.build import for_translation
from cyclegan.networks.generators import ResnetGenerator
from cyclegan.networks.storage import WeightsError
from cyclegan.runs.run import Run, RunError
from cyclegan.runtime.files import write_atomically

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 2 / 255
"""How far, of a range of 2, a translation by ONNX Runtime may be from PyTorch's: one of 255 levels."""
LARGEST = 2**14
"""Pixels of a side that a file for any size takes."""
CHECKS = ((64, 64), (92, 76))
"""Heights and widths that a file for any size is checked at."""


class ExportError(ValueError):
    """A generator that cannot be exported, or whose file translates otherwise than it: the message says why."""


@dataclass(frozen=True)
class Export:
    """Write a generator as an ONNX file, and check that ONNX Runtime translates as PyTorch does."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of the run."""
    out: Annotated[Path, tyro.conf.Positional]
    """The .onnx file to write; an older one is replaced."""
    to: str | None = None
    """What to translate to, such as photo; needed where the run knows two directions."""
    epoch: int | None = None
    """Epoch of the generator; the last unless given."""
    size: tuple[int, int] | None = None
    """Height and width that a U-Net's file takes, multiples of 256 (unet_128: 128); a ResNet's takes any that are
    multiples of 4."""


def export(run: Run, out: Path, *, to: str, epoch: int | None = None, size: tuple[int, int] | None = None) -> float:
    """Write the generator; returns the largest difference that was found between ONNX Runtime and PyTorch, in levels
    of 255.

    The file takes `image`, float32 [1, channels, height, width] in [-1, 1], and gives `translation` in the same form;
    its metadata tells domains, channels, epoch and configuration. Norms use the statistics of the image, dropout is
    off.
    Raises ExportError where packages are missing, the size does not fit, or the difference is above one level;
    RunError and WeightsError as `Translator` does.
    """
    direction = run.direction_to(to)
    epoch = run.check_epoch(epoch)
    for package in PACKAGES:
        try:
            import_module(package)
        except ImportError:
            raise ExportError(f"{package} is missing; pip install -r requirements-onnx.txt") from None
    network = for_translation(run.load_generator(epoch, direction), dtype=torch.float32)
    sizes = _sizes(run, network, size)
    content = _convert(network, run, direction, epoch, sizes[0] if len(sizes) == 1 else None)
    difference = _difference(content, network, _channels(run, direction), sizes)
    if difference > TOLERANCE:
        raise ExportError(
            f"ONNX Runtime differs from PyTorch by {difference * 127.5:.2f} levels of 255; up to "
            f"{TOLERANCE * 127.5:g} are taken for rounding. {out} is not written"
        )
    write_atomically(out, content)
    return difference * 127.5


def _sizes(run: Run, network: nn.Module, size: tuple[int, int] | None) -> Sequence[tuple[int, int]]:
    """The sizes to check; one alone where the file takes no other."""
    if isinstance(network, ResnetGenerator):
        if size:
            raise ExportError("a ResNet's file takes images of any size; leave --size out")
        return CHECKS
    architecture = run.generator.architecture
    multiple = SIZE_MULTIPLE[architecture]
    height, width = size or (multiple, multiple)
    if height % multiple or width % multiple or min(height, width) < SMALLEST_SIZE[architecture]:
        raise ExportError(f"size is {height} {width}; {architecture} takes multiples of {multiple}")
    return ((height, width),)


def _channels(run: Run, direction: Direction) -> int:
    return run.generator_config(direction).in_channels


def _convert(network: nn.Module, run: Run, direction: Direction, epoch: int, size: tuple[int, int] | None) -> bytes:
    """The ONNX file; of any size where none is given."""
    height, width = size or CHECKS[0]
    example = torch.zeros(1, _channels(run, direction), height, width)
    shapes: Any = None
    if size is None:
        quarters = (torch.export.Dim(f"quarter_{name}", min=2, max=LARGEST // 4) for name in ("height", "width"))
        shapes = ({axis: 4 * quarter for axis, quarter in enumerate(quarters, 2)},)
    chatty = logging.getLogger("torch.onnx")
    level = chatty.level
    try:
        chatty.setLevel(logging.ERROR)
        with warnings.catch_warnings(action="ignore"):  # of PyTorch's own exporter, about itself
            program = torch.onnx.export(
                network,
                (example,),
                input_names=["image"],
                output_names=["translation"],
                dynamic_shapes=shapes,
                dynamo=True,
                verbose=False,
            )
    finally:
        chatty.setLevel(level)
    if program is None:
        raise ExportError("PyTorch's exporter gave no program")
    program.model.metadata_props.update(_metadata(run, direction, epoch))
    return program.model_proto.SerializeToString()


def _metadata(run: Run, direction: Direction, epoch: int) -> dict[str, str]:
    seen, made = (run.encodings[domain] for domain in direction)
    source, target = (run.domain(domain) for domain in direction)
    dataset = run.config.dataset
    return {
        "run": run.folder.name,
        "method": run.method,
        "from": source,
        "to": target,
        "epoch": str(epoch),
        "image": f"float32 [1, channels, height, width] in [-1, 1], {seen}",
        "translation": f"the same form, {made}",
        "generator": json.dumps(asdict(run.generator_config(direction))),
        "trained on": dataset if dataset.startswith("hf:") else Path(dataset).name,  # the Hub's names have owners
    }


def _difference(content: bytes, network: nn.Module, channels: int, sizes: Iterable[tuple[int, int]]) -> float:
    """The largest, over a picture of every size."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found = 0.0
    for height, width in sizes:
        image = _picture(channels, height, width)
        (translation,) = session.run(None, {"image": image.numpy()})
        with torch.inference_mode():
            found = max(found, float(np.abs(translation - network(image).numpy()).max()))
    return found


def _picture(channels: int, height: int, width: int) -> Tensor:
    """Coarse blocks, as of a label map: noise alone would make every norm see the same."""
    generator = torch.Generator().manual_seed(0)
    blocks = torch.rand(1, channels, 8, 8, generator=generator) * 2 - 1
    return nn.functional.interpolate(blocks, (height, width), mode="nearest")


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code: 0, 1 where the disk refuses, 2 for a mistake in the input."""
    command = tyro.cli(Export, args=arguments, prog="python -m cyclegan.runs.export")
    try:
        run = Run.open(command.run)
        directions = run.directions if run.translates else ()
        targets = [run.domain(direction[1]) for direction in directions]
        if command.to is None and len(targets) != 1:
            raise ConfigError(f"{run.folder.name} translates to {' and '.join(targets) or 'nothing'}; choose with --to")
        to = command.to or targets[0]
        levels = export(run, command.out, to=to, epoch=command.epoch, size=command.size)
    except (ConfigError, ExportError, RunError, WeightsError, OSError) as error:
        sys.stderr.write(f"cyclegan.runs.export: {error}\n")
        return 1 if isinstance(error, OSError) else 2
    size = command.out.stat().st_size / 1e6
    sys.stderr.write(f"{command.out}: to {to}, {size:.1f} MB; ONNX Runtime is within {levels:.3f} levels of PyTorch\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
