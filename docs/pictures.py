"""Make the README's pictures from the shipped runs: `python -m docs.pictures`."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from cyclegan.facades import EXAMPLE_SEEDS, draw_facade
from cyclegan.runs import Run
from cyclegan.samples import cut
from cyclegan.sheets import sheet
from cyclegan.translate import Translator

ROOT = Path(__file__).parent.parent


def side_by_side(translators: dict[str, Translator]) -> Image.Image:
    """Drawn label maps and what each method makes of them."""
    drawn = [draw_facade(seed) for seed in EXAMPLE_SEEDS[:4]]
    rows = [("labels", drawn)]
    for name, translator in translators.items():
        rows.append((name, [translator.translate(labels, to="photo") for labels in drawn]))
    return sheet(rows, [f"facade {seed}" for seed in EXAMPLE_SEEDS[:4]])


def epoch_strip(runs: dict[str, Run], count: int = 5) -> Image.Image:
    """One drawn label map through the epochs of both trainings; the last column is the end of each."""
    shared = sorted(set.intersection(*(set(run.sample_epochs) for run in runs.values())))
    shares = [(index / (count - 1)) ** 2 for index in range(count)]  # the first epochs change most
    epochs = [shared[round(share * (len(shared) - 1))] for share in shares[:-1]]
    rows = []
    for name, run in runs.items():
        pictures = []
        for epoch in (*epochs, run.sample_epochs[-1]):
            with Image.open(run.sample_path(epoch)) as sample:
                pictures.append(cut(sample, list(run.samples).index("ba"), 0))
        rows.append((name, pictures))
    ends = " and ".join(str(run.sample_epochs[-1]) for run in runs.values())
    return sheet(rows, [*(f"epoch {epoch}" for epoch in epochs), f"epochs {ends}"])


def main() -> None:
    folders = {"CycleGAN": ROOT / "weights" / "facades-cyclegan", "pix2pix": ROOT / "weights" / "facades-pix2pix"}
    translators = {name: Translator.load(folder) for name, folder in folders.items()}
    side_by_side(translators).save(ROOT / "docs" / "side-by-side.webp", quality=85, method=6)
    runs = {name: translator.run for name, translator in translators.items()}
    epoch_strip(runs).save(ROOT / "docs" / "epochs.webp", quality=85, method=6)


if __name__ == "__main__":
    main()
