"""Translate images with the generators of a run: the fast inference path."""

from __future__ import annotations

import errno
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from cyclegan.config import SIZE_MULTIPLE, SMALLEST_SIZE, Direction, Method, Precision
from cyclegan.hub.fetching import open_run
from cyclegan.images.encodings import Encoding, decode, encode
from cyclegan.images.io import ImageError, check_pixels, open_image, to_image, to_rgb
from cyclegan.networks.build import for_translation
from cyclegan.networks.packing import pack
from cyclegan.runs.run import Run, RunError
from cyclegan.runs.scores import best_epoch
from cyclegan.runtime.devices import choose_precision, pick_device
from cyclegan.runtime.files import last_change
from cyclegan.translate.bands import Bands, Rows
from cyclegan.translate.openvino import OpenVinoGenerator, is_faster

CACHED_NETWORKS = 6
"""Generators kept ready: both directions of a few epochs; the longest unused one makes room for another."""

WHOLE_PIXELS = 2_000_000
"""Largest image that is computed at once; larger ones are computed by bands, in memory that hardly grows with them
(`python -m benchmarks.large_images`)."""

SMALL_PIXELS = 512 * 512
"""Largest image of which several may be computed at the same time: a larger one keeps all cores busy by itself, and the
memory that they take would add up."""

_seeding = threading.Lock()
"""Held while dropout draws from PyTorch's random state, which all translators share."""


class Translator:
    """A run that is ready to translate: any epoch, any direction it has, images of any size.

    Safe to use from several threads; translations of one translator run one after another, since each already
    uses all cores, unless it works `side_by_side`.
    """

    def __init__(self, run: Run, *, device: torch.device, dtype: torch.dtype) -> None:
        self.run = run
        self.device = device
        self.dtype = dtype
        self.looks_ahead = False
        """Whether an epoch of a run on the Hub brings its neighbours along, for who walks through the epochs."""
        self.side_by_side = False
        """Whether small images are translated at the same time, for threads with a part of the cores each: these wait
        less for each other than cores that compute one small image together."""
        self._networks: OrderedDict[tuple[int, Direction, bool, int], nn.Module] = OrderedDict()
        self._choosing, self._turn = threading.Lock(), threading.Lock()

    @classmethod
    def load(cls, source: str | Path, *, device: str = "auto", precision: Precision = "auto") -> Translator:
        """The translator of the run in a folder, or in a repository on the Hugging Face Hub: "owner/name", or
        "owner/name@revision". Weights are read, and fetched, at the first translation of their epoch.

        Raises RunError or ConfigError where the folder holds no run that this version reads, HubError where the
        repository cannot be had.
        """
        return cls.of(open_run(source), device=device, precision=precision)

    @classmethod
    def of(cls, run: Run, *, device: str = "auto", precision: Precision = "auto") -> Translator:
        """The translator of a run that is open. Raises ConfigError where there is no such device or precision."""
        chosen = pick_device(device)
        return cls(run, device=chosen, dtype=choose_precision(chosen, precision))

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process reads the networks itself: a page's GPU may be lent to a process at a time."""
        return partial(Translator, device=self.device, dtype=self.dtype), (self.run,)

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def method(self) -> Method:
        return self.run.method

    @property
    def targets(self) -> tuple[str, ...]:
        """What it translates to, by the public names of the domains: "photo", "labels"; nothing for a plain GAN."""
        directions = self.run.directions if self.run.translates else ()
        return tuple(self.run.domain(direction[1]) for direction in directions)

    def source_of(self, to: str) -> str:
        """What it translates to this target from. Raises RunError where it does not."""
        return self.run.domain(self.run.direction_to(to)[0])

    @property
    def epochs(self) -> tuple[int, ...]:
        """Epochs it can translate with, ascending."""
        return self.run.epochs

    def translate(
        self,
        image: Image.Image | Path | str,
        *,
        to: str,
        epoch: int | None = None,
        dropout_seed: int | None = None,
        on_progress: Callable[[float], object] = lambda _: None,
    ) -> Image.Image:
        """The translation of an image, or of the image in a file: RGB, in the image's own size; a grey domain's in grey
        levels, colorization's in the image's own lightness.

        `to` is the public name of the target domain, `epoch` one of `epochs` or None for the best on val, else the
        last. With `dropout_seed` a network that was trained with dropout keeps it on, as pix2pix's paper does at test
        time (arXiv:1611.07004 section 3.3), drawn from that seed; otherwise, and of a network that was trained without
        dropout, the result is always the same, up to a level where the number of threads differs. `on_progress` hears 0
        when it is the image's turn, and of an image of more than WHOLE_PIXELS, again and again, which share is done, up
        to 1; what it raises ends the translation.

        Raises RunError listing the choices where there is no such target or epoch, WeightsError where the weights
        are damaged, HubError where they cannot be fetched, ImageError where the image cannot be used, TypeError
        where it is neither image nor path.
        """
        direction = self.run.direction_to(to)
        epoch = self.run.check_epoch(best_epoch(self.run, direction) if epoch is None else epoch)
        if isinstance(image, (str, Path)):
            image = open_image(Path(image))
        if not isinstance(image, Image.Image):
            raise TypeError(
                f"translate takes a PIL image or the path of a file, not {type(image).__name__}; for an array of 8-bit "
                "RGB pixels use PIL.Image.fromarray(array)"
            )
        check_pixels(image)
        rgb = to_rgb(image)
        seen, made = (self.run.encodings[domain] for domain in direction)
        if self.run.source:
            self.run.source.bring(self.run, epoch, direction)  # others translate meanwhile
        width, height = self._padded(rgb.width, rgb.height)
        by_bands = width * height > WHOLE_PIXELS
        together = self.side_by_side and width * height <= SMALL_PIXELS and dropout_seed is None
        with nullcontext() if together else self._turn:
            on_progress(0.0)
            padded = np.pad(np.asarray(rgb), ((0, height - rgb.height), (0, width - rgb.width), (0, 0)), mode="reflect")
            with self._choosing:
                network = self._network(epoch, direction, fast=not by_bands and dropout_seed is None)
                if self.looks_ahead and self.run.source:
                    self.run.source.look_ahead(self.run, epoch, direction)
            if by_bands:
                if dropout_seed is not None:
                    limit = f"{WHOLE_PIXELS / 1e6:g} megapixels"
                    raise ImageError(f"the image is {rgb.width}x{rgb.height}; dropout_seed works up to {limit}")
                return _by_bands(Bands(network, on_progress), padded, rgb, seen, made)
            x = encode(padded, seen)[None].to(self.device, self.dtype, memory_format=torch.channels_last)
            y = _run(network, x, dropout_seed)
        return decode(y[0, :, : rgb.height, : rgb.width], made, rgb)

    def sample(self, count: int = 64, *, seed: int = 0, epoch: int | None = None) -> list[Image.Image]:
        """Return `count` images that a plain GAN generates from noise; a seed always gives the same images.

        `epoch` is one of `epochs`, or None for the last. Raises RunError if the run translates images instead of
        generating them, or has no such epoch, and WeightsError or HubError as `translate` does.
        """
        if self.run.translates:
            raise RunError(f"{self.name} translates images and generates none from noise; use translate")
        if count < 1:
            raise ValueError(f"count is {count}; it must be 1 or more")
        network = self._load(self.run.check_epoch(epoch), "ab")
        noise = np.random.default_rng(seed).standard_normal((count, self.run.generator.in_channels), dtype=np.float32)
        with torch.inference_mode():
            images = network(torch.from_numpy(noise).to(self.device, self.dtype))
        return [to_image(image.expand(3, -1, -1)) for image in images]

    def is_small(self, width: int, height: int) -> bool:
        """Whether several images of that size may be computed at the same time."""
        width, height = self._padded(width, height)
        return width * height <= SMALL_PIXELS

    def _padded(self, width: int, height: int) -> tuple[int, int]:
        """The sides that the network computes: multiples of what it needs, and large enough."""
        architecture = self.run.generator.architecture
        multiple, smallest = SIZE_MULTIPLE[architecture], SMALLEST_SIZE[architecture]
        width, height = (side + max(-side % multiple, smallest - side) for side in (width, height))
        return width, height

    def _network(self, epoch: int, direction: Direction, *, fast: bool) -> nn.Module:
        """The generator as PyTorch's layers, or in the fastest form that this machine has for it."""
        # The file's time tells a network from that of another run, trained later in the same folder.
        changed = last_change(self.run.snapshot_folder(epoch, direction) / "model.safetensors")
        key = (epoch, direction, fast, changed)
        known = self._networks.get(key)
        if known is None:
            known = self._load(epoch, direction)
            if fast:
                pack(known)
        elif fast and self.compiles and not isinstance(known, OpenVinoGenerator):
            # Not the first time: who walks through the epochs would wait for each to be compiled.
            known = OpenVinoGenerator(self._load(epoch, direction), dtype=self.dtype)
        self._networks[key] = known
        self._networks.move_to_end(key)
        while len(self._networks) > CACHED_NETWORKS:
            self._networks.popitem(last=False)
        return known

    def _load(self, epoch: int, direction: Direction) -> nn.Module:
        return for_translation(self.run.load_generator(epoch, direction), device=self.device, dtype=self.dtype)

    @property
    def compiles(self) -> bool:
        """Whether OpenVINO computes the network from its second use on: an image at a time, by all cores."""
        resnet = self.run.generator.architecture.startswith("resnet")
        return resnet and self.device.type == "cpu" and is_faster(self.dtype)


def _by_bands(bands: Bands, padded: np.ndarray, rgb: Image.Image, seen: Encoding, made: Encoding) -> Image.Image:
    """The translation of the pixels, in the size of the image before it was padded."""
    channels = len(encode(padded[:1, :1], seen))
    height, width = padded.shape[:2]
    image = Rows(channels, height, width, lambda top, bottom: encode(padded[top:bottom], seen)[None])
    pixels = np.empty((rgb.height, rgb.width, 3), np.uint8)
    try:
        translation = bands(image)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ImageError(
            f"no room for an image of {rgb.width}x{rgb.height} pixels in {tempfile.gettempdir()}; free some space "
            "there, or name another folder for temporary files in TMPDIR"
        ) from None
    with torch.inference_mode():
        for top in range(0, rgb.height, translation.band):
            bottom = min(top + translation.band, rgb.height)
            rows = translation.read(top, bottom)[0, :, :, : rgb.width]
            pixels[top:bottom] = np.asarray(decode(rows, made, rgb.crop((0, top, rgb.width, bottom))))
    return Image.fromarray(pixels)


def _run(network: nn.Module, x: torch.Tensor, dropout_seed: int | None) -> torch.Tensor:
    if dropout_seed is None:
        with torch.inference_mode():
            return network(x)
    dropouts = [module for module in network.modules() if isinstance(module, nn.Dropout)]
    with _seeding, torch.inference_mode(), torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):
        torch.manual_seed(dropout_seed)
        try:
            for dropout in dropouts:
                dropout.train()
            return network(x)
        finally:
            for dropout in dropouts:
                dropout.eval()
