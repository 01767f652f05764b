"""What users wait for, with the runs in weights/: `python -m benchmarks.serving`.

A drawn label map to both photos, the history of a picture, the command line from its start, a folder of 200 images.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from cyclegan.facades.labels import draw_facade
from cyclegan.networks.build import for_translation
from cyclegan.networks.packing import pack
from cyclegan.translate.command import destinations, find_images, translate_all
from cyclegan.translate.translator import Translator

ROOT = Path(__file__).parent.parent
RUNS = ("facades-cyclegan", "facades-pix2pix")
PARTS = 5


@dataclass(frozen=True)
class Options:
    rounds: int = 20
    """Label maps, after 3 to warm up."""
    images: int = 200
    """In the folder."""
    threads: int = 2
    out: Path | None = None
    """File for the JSON."""


def both_photos(translators: list[Translator], rounds: int) -> dict[str, float]:
    """Milliseconds from a label map to the photos of both runs, one after the other."""
    taken = []
    for seed in range(rounds + 3):
        labels, start = draw_facade(seed), time.perf_counter()
        for translator in translators:
            translator.translate(labels, to="photo")
        taken.append(time.perf_counter() - start)
    later = sorted(taken[3:])
    return {"median_ms": round(statistics.median(later) * 1e3), "p90_ms": round(later[int(0.9 * len(later))] * 1e3)}


def history() -> dict[str, float]:
    """Seconds to translate a new picture with every epoch of both runs, whose weights are read for it."""
    translators = [Translator.load(ROOT / "weights" / name, device="cpu") for name in RUNS]
    labels, start, done = draw_facade(999), time.perf_counter(), []
    for translator in translators:
        for epoch in reversed(translator.epochs):
            translator.translate(labels, to="photo", epoch=epoch)
            done.append(time.perf_counter() - start)
    return {"frames": len(done), "first_s": round(done[0], 2), "all_s": round(done[-1], 2)}


def folder(images: int, translator: Translator) -> float:
    """Images a second from files to files, as a share of those that the generator alone makes of a tensor."""
    direction = translator.run.direction_to("photo")
    network = for_translation(translator.run.load_generator(translator.epochs[-1], direction), dtype=translator.dtype)
    pack(network)
    x = torch.zeros(1, 3, 256, 256, dtype=translator.dtype).to(memory_format=torch.channels_last)
    shares = []
    with tempfile.TemporaryDirectory() as place:
        source, out = Path(place, "in"), Path(place, "out")
        source.mkdir()
        for index in range(images):
            draw_facade(index).save(source / f"{index}.png")
        wanted = list(destinations(find_images(source), source, out).items())
        translator.translate(draw_facade(0), to="photo")  # its generator is ready
        for part in range(PARTS):  # both in turn, so that a busy moment hits both
            start = time.perf_counter()
            with torch.inference_mode():
                for _ in wanted[part::PARTS]:
                    network(x)
            middle = time.perf_counter()
            translate_all(translator, dict(wanted[part::PARTS]), to="photo")
            shares.append((middle - start) / (time.perf_counter() - middle))
    return round(statistics.median(shares), 3)


def command_line() -> dict[str, float]:
    """Seconds from the start of the command to its end, with one label map; the first time and the median of five."""
    taken = []
    run = ROOT / "weights" / "facades-pix2pix"
    for _ in range(5):
        with tempfile.TemporaryDirectory() as place:
            image = Path(place, "labels.png")
            draw_facade(1).save(image)
            words = [sys.executable, "-m", "cyclegan.translate", str(run), str(image), str(Path(place, "out"))]
            start = time.perf_counter()
            subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
            taken.append(time.perf_counter() - start)
    return {"first_s": round(taken[0], 2), "median_s": round(statistics.median(taken), 2)}


def main(options: Options) -> None:
    torch.set_num_threads(options.threads)
    translators = [Translator.load(ROOT / "weights" / name, device="cpu") for name in RUNS]
    found = {
        "precision": str(translators[0].dtype),
        "both_photos": both_photos(translators, options.rounds),
        "history": history(),
        "folder_share_of_generator": {each.name: folder(options.images, each) for each in translators},
        "command_line": command_line(),
        "load_average": round(os.getloadavg()[0], 1),
    }
    text = json.dumps(found, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(tyro.cli(Options, prog="python -m benchmarks.serving"))
