"""Train the segmenter by which photos of facades are scored: `python -m benchmarks.segmenter --dataset facades`."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
import tyro
from PIL import Image
from safetensors.torch import save
from torch import Tensor
from tqdm import tqdm

from cyclegan.config import Pix2PixConfig, Precision, to_json
from cyclegan.data.batches import Batches
from cyclegan.data.choice import find_folder
from cyclegan.data.datasets import DatasetError, Split, find_split
from cyclegan.evaluation.metrics import LabelAgreement, confusion, label_agreement
from cyclegan.evaluation.segmenter import SHIPPED, Segmenter, SegmenterConfig, segment
from cyclegan.facades.labels import CLASSES, Array, class_indices, label_palette
from cyclegan.networks.storage import quantize
from cyclegan.runs.scores import CHOSEN_ON
from cyclegan.runtime.devices import choose_precision, pick_device
from cyclegan.runtime.files import write_atomically
from cyclegan.training.augmentation import draw_color
from cyclegan.training.ema import EMA

SIZE = 256
NOTHING = -100
"""Class of the pixels that no photo covers: `F.cross_entropy` leaves it out."""
HALF_LIFE = 4000
"""Of the moving average of the weights, in images."""
BALANCE = 0.25
"""Classes weigh as the inverse of this power of their share of the pixels: 0 neglects the rare, 1 the common ones."""


@dataclass(frozen=True)
class Options:
    config: Annotated[SegmenterConfig, tyro.conf.arg(name="")]
    out: Path = SHIPPED
    """Folder to write; what is there is replaced."""
    threads: int = 0
    """CPU threads; 0 takes PyTorch's default, all cores."""
    device: str = "auto"
    precision: Precision = "auto"


def train_segmenter(
    config: SegmenterConfig,
    folder: Path,
    *,
    device: torch.device,
    dtype: torch.dtype,
    on_progress: Callable[[float], object] = lambda _: None,
) -> Segmenter:
    """A segmenter that has learned the training split of a folder of paired photos and label maps.

    `on_progress` gets the loss of every step. Raises DatasetError where there are no pairs, or label maps in no known
    palette.
    """
    split = find_split(folder)
    palette = _palette(split)
    settings = Pix2PixConfig(
        dataset=config.dataset, batch_size=config.batch_size, load_size=SIZE, crop_size=SIZE, seed=config.seed
    )
    batches = Batches(split, settings)
    colours = torch.from_numpy(palette / 127.5 - 1).float()
    torch.manual_seed(config.seed)
    segmenter = Segmenter(config).to(device)
    ema = EMA(segmenter, HALF_LIFE)
    optimizer = torch.optim.Adam(segmenter.parameters(), lr=0.0, fused=True)
    steps, step = config.epochs * batches.steps, 0
    weights = _class_weights(batches, colours).to(device)
    for epoch in range(1, config.epochs + 1):
        for photos, labels in batches.epoch(epoch):
            photos, classes = _augment(photos, classes_of(labels, colours))
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * _wave(step / steps)
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                scores = segmenter.scores(photos.to(device, memory_format=torch.channels_last))
            logits = F.interpolate(scores.float(), classes.shape[1:], mode="bilinear", align_corners=False)
            loss = F.cross_entropy(logits, classes.to(device), weights, ignore_index=NOTHING)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            step += 1
            ema.update(segmenter, images=len(photos), seen=step * config.batch_size)
            on_progress(float(loss.detach()))
    segmenter.load_state_dict(ema.network.state_dict())
    return segmenter.requires_grad_(False).eval()


def agreement(segmenter: Segmenter, split: Split) -> LabelAgreement:
    """How a segmenter's reading of the photos of a split agrees with their label maps."""
    palette = _palette(split)
    counts = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
    for photo, labels in zip(split.a, split.b, strict=True):
        truth = labels.load().resize((SIZE, SIZE), Image.Resampling.NEAREST)  # mixes no colours
        read = segment(segmenter, photo.load().resize((SIZE, SIZE), Image.Resampling.BICUBIC))
        counts += confusion(read, class_indices(truth, palette), len(CLASSES))
    return label_agreement(counts)


def _palette(split: Split) -> Array:
    palette = label_palette(split.b[0].load())
    if palette is None:
        raise DatasetError(f"{split.b[0].path} is no label map of facades; a segmenter learns from photos and those")
    return palette


def classes_of(labels: Tensor, colours: Tensor) -> Tensor:
    """The class of every pixel of label maps, [N, 3, H, W] in [-1, 1] -> [N, H, W]: that of the nearest colour."""
    return torch.stack([(labels - colour[:, None, None]).square().sum(1) for colour in colours]).argmin(0)


def _class_weights(batches: Batches, colours: Tensor) -> Tensor:
    counts = torch.zeros(len(CLASSES))
    for _, labels in batches.epoch(1):
        counts += torch.bincount(classes_of(labels, colours).flatten(), minlength=len(CLASSES))
    weights = (counts.clamp(min=1) / counts.sum()) ** -BALANCE
    return weights / (weights * counts).sum() * counts.sum()


def _augment(photos: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Photos in other colours, and both scaled by 0.7 to 1.4, turned by up to 6 degrees and moved by up to 20 %; the
    classes at half the size, where the loss is computed."""
    count = len(photos)
    scale = 2 ** (torch.rand(count) - 0.5)
    angle = math.radians(6) * (2 * torch.rand(count) - 1)
    across, down = scale * angle.cos(), scale * angle.sin()
    moves = 0.4 * (2 * torch.rand(2, count) - 1)
    places = torch.stack([torch.stack([across, -down, moves[0]], 1), torch.stack([down, across, moves[1]], 1)], 1)
    grids = [F.affine_grid(places, [count, 1, side, side], align_corners=False) for side in (SIZE, SIZE // 2)]
    coloured = torch.lerp(photos, draw_color(photos)(photos), 0.5)
    moved = F.grid_sample(coloured, grids[0], align_corners=False)
    shifted = F.grid_sample(1.0 + classes[:, None].float(), grids[1], mode="nearest", align_corners=False)[:, 0]
    return moved, torch.where(shifted > 0, shifted.long() - 1, NOTHING)


def _wave(done: float) -> float:
    """Share of the learning rate after this share of the steps: a tenth of them up, then half a cosine wave down."""
    return done / 0.1 if done < 0.1 else (1 + math.cos(math.pi * (done - 0.1) / 0.9)) / 2


def save_segmenter(folder: Path, segmenter: Segmenter) -> None:
    """Write `config.json` and `model.safetensors`, in half precision; the weights file last."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "config.json", to_json(segmenter.config).encode())
    write_atomically(folder / "model.safetensors", save(quantize(segmenter.state_dict(), "fp16")))


def main(arguments: Sequence[str]) -> None:
    options = tyro.cli(Options, args=arguments, prog="python -m benchmarks.segmenter")
    if options.threads:
        torch.set_num_threads(options.threads)
    device = pick_device(options.device)
    folder = find_folder(options.config.dataset)
    steps = options.config.epochs * -(-len(find_split(folder).a) // options.config.batch_size)
    with tqdm(total=steps, unit="step", dynamic_ncols=True, disable=None) as bar:

        def show(loss: float) -> None:
            bar.set_postfix({"loss": f"{loss:.3f}"}, refresh=False)
            bar.update()

        dtype = choose_precision(device, options.precision)
        segmenter = train_segmenter(options.config, folder, device=device, dtype=dtype, on_progress=show)
    save_segmenter(options.out, segmenter)
    found = agreement(segmenter, find_split(folder, CHOSEN_ON))
    figures = f"{found.pixel_accuracy:.3f} pixel accuracy, {found.class_accuracy:.3f} class accuracy"
    sys.stdout.write(f"on {CHOSEN_ON}: {figures}, {found.mean_iou:.3f} mean IoU\n")


if __name__ == "__main__":
    main(sys.argv[1:])
