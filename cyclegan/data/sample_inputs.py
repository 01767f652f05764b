"""The images that are translated after every epoch, so that learning can be watched."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from cyclegan.config import Direction
from cyclegan.data.datasets import Split, load_inputs
from cyclegan.facades.labels import EXAMPLES, example_facades, looks_like_labels
from cyclegan.runs.run import SampleInputs
from cyclegan.runs.samples import SAMPLE_SIZE


def choose_inputs(
    split: Split, directions: Sequence[Direction]
) -> tuple[dict[Direction, list[Image.Image]], dict[Direction, SampleInputs]]:
    """Fixed inputs for each direction, and what they are: the drawn facades for label maps in their palette, which
    can be published with the run; otherwise eight images of the split, evenly spread."""
    inputs: dict[Direction, list[Image.Image]] = {}
    kinds: dict[Direction, SampleInputs] = {}
    for direction in directions:
        sources = split.a if direction == "ab" else split.b
        if looks_like_labels(sources[0].load()):
            kinds[direction] = "drawn"
            inputs[direction] = example_facades()
        else:
            kinds[direction] = "dataset"
            inputs[direction] = load_inputs(sources, EXAMPLES, SAMPLE_SIZE)
    return inputs, kinds
