"""The model card of a run: what it is, how it was trained, what it is worth, and where it ends."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import jinja2
from huggingface_hub import EvalResult, ModelCardData

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
    named = not is_folder(run.config.dataset)
    data = ModelCardData(
        library_name="cyclegan",
        pipeline_tag="image-to-image" if run.translates else "unconditional-image-generation",
        license=license,
        datasets=[_dataset(run)] if named else None,
        tags=[run.method, "gan", "safetensors", *(["image-to-image-translation"] if run.translates else [])],
        model_name=repository.partition("/")[2] if figures else None,
        eval_results=[_result(run, figure) for figure in figures] or None,
    )
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    text = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        card_data=data.to_yaml(),
        title=repository.partition("/")[2],
        repository=repository,
        summary=_summary(run),
        pictures=[(text, name) for text, name in _captions(run) if name in pictures],
        use=_use(run, repository),
        revision=run.revision,
        command=_command(run) if training and not run.unknown else "",
        facts=_facts(run, training),
        figures=figures,
        protocol=protocol,
        limits=_limits(run, training),
        citation=CITATIONS[run.method],
    )
    return {CARD: sealed(text).encode(), **pictures}


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


def _result(run: Run, figure: Figure) -> EvalResult:
    return EvalResult(
        task_type="image-to-image" if run.translates else "unconditional-image-generation",
        dataset_type=_dataset(run),
        dataset_name=run.config.dataset,
        dataset_split=figure.split,
        metric_type=figure.name,
        metric_name=f"{figure.name}, {figure.direction}, epoch {figure.epoch}",
        metric_value=figure.value,
    )


def _dataset(run: Run) -> str:
    """What the dataset is called, on the Hub where it is there."""
    name = run.config.dataset
    return Address.parse(name.removeprefix(HF)).name if is_on_hub(name) else name


def _route(run: Run, direction: str) -> str:
    return f"{run.domain(direction[0])} to {run.domain(direction[1])}"


def _routes(run: Run) -> list[str]:
    return [_route(run, direction) for direction in run.directions]


def _summary(run: Run) -> str:
    does = f"translates {' and '.join(_routes(run))}" if run.translates else f"makes {run.domains.b} from noise"
    *earlier, last = run.epochs
    epochs = f"epochs {', '.join(map(str, earlier))} and {last}" if earlier else f"epoch {last}"
    return f"A {TITLES[run.method]} that {does}, as it was after {epochs} of its training."


def _captions(run: Run) -> list[tuple[str, str]]:
    made = " and ".join(_routes(run)) if run.translates else f"{run.domains.b} from noise"
    return [
        (made[:1].upper() + made[1:], SIDE_BY_SIDE),
        ("The same through the epochs of the training", THROUGH_EPOCHS),
    ]


def _use(run: Run, repository: str) -> str:
    if not run.translates:
        return (
            "import torch\nfrom cyclegan import Translator\nfrom cyclegan.images.io import to_image\n\n"
            f'generator = Translator.load("{repository}").run.load_generator({run.epochs[-1]}, "ab")\n'
            f"noise = torch.randn(1, {run.generator.in_channels})\n"
            f'to_image(generator(noise)[0]).save("{run.domains.b}.png")'
        )
    direction = run.directions[-1]
    source, target = run.domain(direction[0]), run.domain(direction[1])
    return (
        "from cyclegan import Translator\n\n"
        f'translator = Translator.load("{repository}")\n'
        f'translator.translate("{source}.png", to="{target}").save("{target}.png")'
    )


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


def _facts(run: Run, training: Training | None) -> list[tuple[str, str]]:
    facts = [("method", TITLES[run.method]), ("generator", describe(run.generator))]
    if training is None:
        return [*facts, ("training", "not recorded")]
    images = f", {training.images} images an epoch" if training.images else ""
    return [
        *facts,
        *_beginning(run),
        ("trained on", run.config.dataset + images),
        ("epochs", f"{training.epochs} of {run.config.total_epochs}"),
        ("time", f"{training.hours:.3g} hours"),
    ]


def _beginning(run: Run) -> list[tuple[str, str]]:
    """Return the run whose networks it was initialised from."""
    if not run.config.init_from:
        return []
    return [("initialised from", run.config.init_from)]


def _limits(run: Run, training: Training | None) -> list[str]:
    """What is not to be expected of it, as its own numbers say."""
    config, default = run.config, METHODS[run.method](dataset=run.config.dataset)
    limits, less = [], []
    if training:
        seen = f"{training.images} images" if training.images else "the images"
        beside = f"nothing else but what {config.init_from} had seen" if config.init_from else "nothing else"
        limits.append(
            f"It has seen {seen} of {config.dataset} and {beside}: what does not look like them comes out in their "
            "style, or as nonsense."
        )
        if training.epochs < config.total_epochs:
            limits.append(f"Its training is not finished: {training.epochs} of {config.total_epochs} epochs.")
        if config.total_epochs < default.total_epochs and not config.init_from:
            less.append(f"{config.total_epochs} epochs instead of {default.total_epochs}")
    if run.generator.width < default.generator.width:
        less.append(f"{run.generator.width} channels instead of {default.generator.width}")
    if less:
        limits.append(f"Less than the method's default: {' and '.join(less)}.")
    if run.translates:
        limits.append("It invents details that the input does not hold: no translation is evidence of anything.")
    if run.method == "cyclegan":
        limits.append("It learned without pairs: it may recolour, move or drop what the other domain rarely shows.")
    if run.method == "gan":
        limits.append("Its pictures are small, and may come close to single images of its training data.")
    return [*limits, "The terms of the training images may restrict what it may be used for."]


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
