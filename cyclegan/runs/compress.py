"""Make a run small enough to ship: `python -m cyclegan.runs.compress RUN OUT --epochs 1 5 30 --storage int8`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro
from PIL import Image

from cyclegan.config import ConfigError
from cyclegan.images.io import open_image
from cyclegan.networks.storage import Storage, WeightsError, save_network
from cyclegan.runs.redaction import public, redact
from cyclegan.runs.run import Run, RunError
from cyclegan.runs.samples import SAMPLE_SIZE
from cyclegan.runs.scores import ScoresError, read_scores, write_scores
from cyclegan.runtime.files import new_folder, write_atomically


@dataclass(frozen=True)
class Compress:
    """Copy a run without what only training needs: no checkpoint, no discriminators beside generators of another epoch,
    no samples made of a dataset's images, since those are not ours to publish, and no paths of this machine."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of the run."""
    out: Annotated[Path, tyro.conf.Positional]
    """Folder to make; must not exist."""
    epochs: tuple[int, ...] = ()
    """Snapshots to keep; all of them unless given."""
    storage: Storage = "fp16"
    """Of `epochs` and discriminators. fp16: as trained; int8: half of that, one scale a channel."""


def compress(source: Run, out: Path, *, epochs: Sequence[int] = (), storage: Storage = "fp16") -> Run:
    """Return a small copy of a run, written whole or not at all, with all its snapshots or those of `epochs`.

    The figures of an evaluation are copied with fp16 weights alone: integers have to be evaluated again.

    Raises RunError if `out` exists or an epoch is missing, WeightsError or ScoresError if files are damaged.
    """
    if out.exists():
        raise RunError(f"{out} is there already; choose another folder or remove it")
    epochs = epochs or source.epochs
    for epoch in epochs:
        source.check_epoch(epoch)
    rows = {direction: row for row, (direction, kind) in enumerate(source.samples.items()) if kind != "dataset"}
    with new_folder(out) as folder:
        samples = {direction: source.samples[direction] for direction in rows}
        copy = public(replace(source, folder=folder, samples=samples))
        copy.write()
        if (source.folder / "examples").is_dir():
            shutil.copytree(source.folder / "examples", folder / "examples")
        records = source.history()
        if storage == "fp16":  # as trained: the figures are those of these weights
            if scores := read_scores(source.folder):
                write_scores(folder, redact(scores))
        else:
            records = [{key: value for key, value in record.items() if key != "metrics"} for record in records]
        copy.write_history(records)
        for epoch in source.sample_epochs if rows else ():
            sheet = source.read_sample(epoch)
            if len(rows) == len(source.samples):
                copy.sample_path(epoch).parent.mkdir(exist_ok=True)
                write_atomically(copy.sample_path(epoch), sheet.getvalue())  # coding it again would lose more
            else:
                copy.save_sample(epoch, _keep_rows(open_image(sheet), list(rows.values())))
        for epoch in epochs:
            for direction in source.directions:
                state = source.load_generator(epoch, direction).state_dict()
                config = source.generator_config(direction)
                save_network(copy.snapshot_folder(epoch, direction), config, state, storage)
        if source.has_discriminators and source.epochs[-1] in epochs:
            for domain in source.judged:
                state = source.load_discriminator(domain).state_dict()
                save_network(copy.discriminator_folder(domain), source.discriminator(domain), state, storage)
    return replace(copy, folder=out)


def _keep_rows(sheet: Image.Image, rows: list[int]) -> Image.Image:
    kept = Image.new("RGB", (sheet.width, len(rows) * SAMPLE_SIZE))
    for place, row in enumerate(rows):
        strip = sheet.crop((0, row * SAMPLE_SIZE, sheet.width, (row + 1) * SAMPLE_SIZE))
        kept.paste(strip, (0, place * SAMPLE_SIZE))
    return kept


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code: 0, 1 where the disk refuses, 2 for a mistake in the input."""
    command = tyro.cli(Compress, args=arguments, prog="python -m cyclegan.runs.compress")
    try:
        run = compress(Run.open(command.run), command.out, epochs=command.epochs, storage=command.storage)
    except (ConfigError, RunError, ScoresError, WeightsError, OSError) as error:
        sys.stderr.write(f"cyclegan.runs.compress: {error}\n")
        return 1 if isinstance(error, OSError) else 2
    size = sum(path.stat().st_size for path in run.folder.rglob("*") if path.is_file())
    sys.stderr.write(f"{run.folder}: epochs {', '.join(map(str, run.epochs))}, {size / 1e6:.1f} MB\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
