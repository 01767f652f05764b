"""The model card of a run: what it is, how it was trained, what it is worth, and where it ends."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from cyclegan.config import METHODS, Method
from cyclegan.hub.citations import CITATIONS
from cyclegan.hub.repositories import HF, Address, is_on_hub
from cyclegan.hub.sheets import side_by_side, through_epochs, to_webp
from cyclegan.networks.reference import describe
from cyclegan.runs.redaction import is_folder, public, redact
from cyclegan.runs.run import Run, RunError
from cyclegan.runs.run_file import options_of
from cyclegan.runs.scores import ScoresError, read_scores

TEMPLATE = Path(__file__).with_name("card.md")
CARD = "README.md"
LICENSE = "apache-2.0"
"""Of a card unless told otherwise: this project's own."""
SIDE_BY_SIDE, THROUGH_EPOCHS = "card/side-by-side.webp", "card/epochs.webp"
"""The card's pictures, by their names in the repository."""
_SEAL = "<!-- written by cyclegan.hub, and again at the next publication unless it is edited: {} -->\n"
"""The last line of a card, by which a publication knows whether a person has edited it since."""
TITLES: Mapping[Method, str] = {"cyclegan": "CycleGAN", "pix2pix": "pix2pix", "gan": "plain GAN"}


@dataclass(frozen=True)
class Figure:
    """A measured value of a run."""

    direction: str
    split: str
    epoch: int
    name: str
    value: float


def write_card(run: Run, repository: str, *, license: str = LICENSE) -> dict[str, bytes]:
    """The card of a run in a repository, README.md, and its pictures, by their names there.

    Raises RunError where the run has no snapshot yet or its history or metrics are damaged, ImageError where a sample
    is.
    """
    run = public(run)
    run.check_epoch(None)
    pictures = {
        name: to_webp(page)
        for name, page in ((SIDE_BY_SIDE, side_by_side(run)), (THROUGH_EPOCHS, through_epochs(run)))
        if page
    }
    training = Training.of(run)
    protocol, figures = read_metrics(run)
    task = "image-to-image" if run.translates else "unconditional-image-generation"
    data = ModelCardData(
        library_name="cyclegan",
        pipeline_tag=task,
        license=license,
        datasets=None if is_folder(run.config.dataset) else [_dataset(run)],
        tags=[run.method, "gan", "safetensors", *(["image-to-image-translation"] if run.translates else [])],
        model_name=repository.partition("/")[2] if figures else None,
        eval_results=[
            EvalResult(
                task_type=task,
                dataset_type=_dataset(run),
                dataset_name=run.config.dataset,
                dataset_split=figure.split,
                metric_type=figure.name,
                metric_name=f"{figure.name}, {figure.direction}, epoch {figure.epoch}",
                metric_value=figure.value,
            )
            for figure in figures
        ]
        or None,
    )
    routes = [_route(run, direction) for direction in run.directions]
    made = " and ".join(routes) if run.translates else f"{run.domains.b} from noise"
    captions = {
        SIDE_BY_SIDE: made[:1].upper() + made[1:],
        THROUGH_EPOCHS: "The same through the epochs of the training",
    }
    *earlier, last = run.epochs
    card = ModelCard.from_template(
        data,
        template_path=str(TEMPLATE),
        title=repository.partition("/")[2],
        repository=repository,
        run=run,
        default=METHODS[run.method](dataset=run.config.dataset),
        kind=TITLES[run.method],
        generator=describe(run.generator),
        routes=routes,
        epochs=f"epochs {', '.join(map(str, earlier))} and {last}" if earlier else f"epoch {last}",
        pictures=[(captions[name], name) for name in pictures],
        command=_command(run) if training and not run.unknown else "",
        training=training,
        figures=figures,
        protocol=protocol,
        citation=CITATIONS[run.method],
    )
    return {CARD: sealed(str(card)).encode(), **pictures}


def read_metrics(run: Run) -> tuple[list[tuple[str, str]], list[Figure]]:
    """How a run was judged, and its figures of the last epoch that was and of the best one; nothing where it was not.

    Raises RunError where `metrics.json` is damaged.
    """
    protocol: list[tuple[str, str]] = []
    figures: list[Figure] = []
    try:
        for split, scores in read_scores(run.folder).items():
            protocol += [(f"{split}, {name}", str(redact(text))) for name, text in scores["protocol"].items()]
            for direction, judged in scores["directions"].items():
                epochs = {int(epoch): each["values"] for epoch, each in judged["epochs"].items()}
                shown = {max(epochs), int(judged["best"]["epoch"]) if judged.get("best") else max(epochs)}
                figures += [
                    Figure(_route(run, direction), split, epoch, name, value)
                    for epoch in sorted(shown)
                    for name, value in epochs[epoch].items()
                    if isinstance(value, float)
                ]
    except ScoresError as error:
        raise RunError(str(error)) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        damaged = f"{run.folder / 'metrics.json'} is damaged ({type(error).__name__}: {error})"
        raise RunError(f"{damaged}; evaluate the run again") from None
    return protocol, figures


def _dataset(run: Run) -> str:
    """What the dataset is called, on the Hub where it is there."""
    name = run.config.dataset
    return Address.parse(name.removeprefix(HF)).name if is_on_hub(name) else name


def _route(run: Run, direction: str) -> str:
    return f"{run.domain(direction[0])} to {run.domain(direction[1])}"


def _command(run: Run) -> str:
    """What to type to train it again."""
    named = not (is_folder(run.config.dataset) or is_on_hub(run.config.dataset))
    words = ["python", "train.py", *([] if run.method == "cyclegan" else [run.method]), "--dataset", run.config.dataset]
    if not named:
        words += ["--domain-names", run.domains.a, run.domains.b]
    return f"{shlex.join(words)} {options_of(run.config)}".rstrip()


@dataclass(frozen=True)
class Training:
    """What the history tells of a training."""

    epochs: int
    hours: float
    images: int | None
    """Images of an epoch; None where the history has no speed."""

    @classmethod
    def of(cls, run: Run) -> Training | None:
        """None where there is no history. Raises RunError where it is damaged."""
        history = run.history()
        if not history:
            return None
        seconds = [float(each.get("seconds", 0)) for each in history]
        speeds = [float(each.get("images_per_second", 0)) for each in history]
        images = round(median(time * speed for time, speed in zip(seconds, speeds, strict=True)))
        return cls(int(history[-1]["epoch"]), sum(seconds) / 3600, images or None)


def sealed(text: str) -> str:
    """The text with the line that belongs to it."""
    text = text.rstrip("\n") + "\n\n"
    return text + _seal(text)


def is_untouched(text: str) -> bool:
    """Whether a text is as `sealed` made it: what a person has edited ends with the seal of another text."""
    before, mark, rest = text.rpartition(_SEAL.partition("{}")[0])
    return bool(mark) and mark + rest == _seal(before)


def _seal(text: str) -> str:
    return _SEAL.format(hashlib.sha256(text.encode()).hexdigest()[:16])
