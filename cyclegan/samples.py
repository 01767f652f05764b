"""Sample images: the same inputs translated after every epoch, so that learning can be watched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from PIL import Image
from torch import nn

from cyclegan.colours import Encoding, decode, encode
from cyclegan.config import Direction
from cyclegan.datasets import Split, load_inputs
from cyclegan.facades import EXAMPLE_SEEDS, draw_facade, looks_like_labels
from cyclegan.networks import for_translation
from cyclegan.runs import SampleInputs

SAMPLE_SIZE = 256
"""Side of each picture of a sample image, in pixels."""

Inputs = dict[Direction, list[Image.Image]]


def choose_inputs(split: Split, directions: Sequence[Direction]) -> tuple[Inputs, dict[Direction, SampleInputs]]:
    """Fixed inputs for each direction, and what they are: the drawn facades for label maps in their palette, which
    can be published with the run; otherwise eight images of the split, evenly spread."""
    inputs: Inputs = {}
    kinds: dict[Direction, SampleInputs] = {}
    for direction in directions:
        sources = split.a if direction == "ab" else split.b
        if looks_like_labels(sources[0].load()):
            kinds[direction] = "drawn"
            inputs[direction] = [draw_facade(seed, size=SAMPLE_SIZE) for seed in EXAMPLE_SEEDS]
        else:
            kinds[direction] = "dataset"
            inputs[direction] = load_inputs(sources, len(EXAMPLE_SEEDS), SAMPLE_SIZE)
    return inputs, kinds


def render(
    generators: Mapping[Direction, nn.Module],
    inputs: Inputs,
    encodings: Mapping[str, Encoding],
    device: torch.device,
    dtype: torch.dtype,
) -> Image.Image:
    """The inputs' translations: a row for each direction, a column for each input, as one RGB image."""
    columns = max(len(images) for images in inputs.values())
    sheet = Image.new("RGB", (columns * SAMPLE_SIZE, len(inputs) * SAMPLE_SIZE))
    with torch.no_grad(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for row, (direction, images) in enumerate(inputs.items()):
            network = for_translation(generators[direction])
            seen, made = (encodings[domain] for domain in direction)
            for column, image in enumerate(images):
                x = encode(image, seen)[None].to(device, memory_format=torch.channels_last)
                picture = decode(network(x)[0], made, image)
                sheet.paste(picture, (column * SAMPLE_SIZE, row * SAMPLE_SIZE))
    return sheet


def cut(sheet: Image.Image, row: int, column: int) -> Image.Image:
    """One picture of a sample image."""
    left, top = column * SAMPLE_SIZE, row * SAMPLE_SIZE
    return sheet.crop((left, top, left + SAMPLE_SIZE, top + SAMPLE_SIZE))
