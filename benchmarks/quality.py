"""L1 distance to the truth on val, beside that of the mean training image: `python -m benchmarks.quality RUN ...`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from numpy.typing import NDArray
from PIL import Image

from cyclegan.datasets import Source, find_split
from cyclegan.downloads import DATASETS, fetch
from cyclegan.translate import Translator

SIZE = 256


@dataclass(frozen=True)
class Options:
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    dataset: str = "facades"
    """A named dataset or a folder of pairs."""
    limit: int = 100
    """Images of the validation split."""
    all_epochs: bool = False
    """Every snapshot instead of the last."""


def pixels(source: Source) -> NDArray[np.float64]:
    """The image as a square, in [0, 1]."""
    image = source.load().resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.float64) / 255


def main(options: Options) -> None:
    folder = fetch(options.dataset) if options.dataset in DATASETS else Path(options.dataset)
    train, val = find_split(folder), find_split(folder, "val")
    count = min(options.limit, len(val.a))
    truths = {"ab": [pixels(source) for source in val.b[:count]], "ba": [pixels(source) for source in val.a[:count]]}
    results: dict[str, Any] = {"protocol": f"mean |difference| in [0, 1], {SIZE} px, first {count} of val"}
    for way, sources in (("ab", train.b), ("ba", train.a)):
        mean = np.mean([pixels(source) for source in sources], axis=0)
        results[f"mean training image, {way}"] = round(
            float(np.mean([np.abs(mean - truth).mean() for truth in truths[way]])), 4
        )
    for path in options.runs:
        translator = Translator.load(path)
        for to in translator.targets:
            way = translator.run.direction_to(to)
            inputs = (val.a if way == "ab" else val.b)[:count]
            images = [source.load().resize((SIZE, SIZE), Image.Resampling.BICUBIC) for source in inputs]
            for epoch in translator.epochs if options.all_epochs else translator.epochs[-1:]:
                errors = [
                    np.abs(np.asarray(translator.translate(image, to=to, epoch=epoch)) / 255 - truth).mean()
                    for image, truth in zip(images, truths[way], strict=True)
                ]
                results[f"{translator.name} -> {to}, epoch {epoch}"] = round(float(np.mean(errors)), 4)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main(tyro.cli(Options, prog="python -m benchmarks.quality"))
