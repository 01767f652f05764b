"""Make the README's pictures from the shipped runs, and the icon of the app: `python -m docs.pictures`."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from cyclegan.facades.labels import EXAMPLE_SEEDS, draw_facade
from cyclegan.hub.sheets import sheet
from cyclegan.runs.run import Run
from cyclegan.runs.samples import cut
from cyclegan.translate.translator import Translator

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


def icon(side: int = 512) -> Image.Image:
    """A house front, half label map and half photo, readable at 16 pixels."""
    image = Image.new("RGBA", (side, side))
    halves = (("#0030ff", "#00cfff", "#ff5000"), ("#b9a58c", "#3b4148", "#7d5a46"))  # wall, windows, roof
    for half, (wall, window, roof) in enumerate(halves):
        picture = Image.new("RGBA", (side, side), wall)
        pen = ImageDraw.Draw(picture)
        pen.rectangle((0, 0, side, side * 0.2), roof)
        for column in (0.14, 0.62):
            for row in (0.31, 0.65):
                pen.rectangle((column * side, row * side, (column + 0.24) * side, (row + 0.22) * side), window)
        left = half * side // 2
        image.paste(picture.crop((left, 0, left + side // 2, side)), (left, 0))
    ImageDraw.Draw(image).rectangle((side * 0.485, 0, side * 0.515, side), "white")
    mask = Image.new("L", (4 * side, 4 * side))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, 4 * side - 1, 4 * side - 1), 0.72 * side, 255)
    image.putalpha(mask.resize((side, side), Image.Resampling.LANCZOS))
    return image


def main() -> None:
    icon().save(ROOT / "cyclegan" / "pages" / "icon.png", optimize=True)
    folders = {"CycleGAN": ROOT / "weights" / "facades-cyclegan", "pix2pix": ROOT / "weights" / "facades-pix2pix"}
    translators = {name: Translator.load(folder) for name, folder in folders.items()}
    side_by_side(translators).save(ROOT / "docs" / "side-by-side.webp", quality=85, method=6)
    runs = {name: translator.run for name, translator in translators.items()}
    epoch_strip(runs).save(ROOT / "docs" / "epochs.webp", quality=85, method=6)


if __name__ == "__main__":
    main()
