"""The runs that the app shows, ready to translate, and the directions they offer."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from cyclegan.config import Direction, Precision, TranslationConfig
from cyclegan.networks.storage import WeightsError
from cyclegan.pages import texts
from cyclegan.pages.errors import Refusal
from cyclegan.pages.languages import Text, listed
from cyclegan.runs.run import RunError
from cyclegan.runs.scores import best_epoch
from cyclegan.translate.translator import Translator

log = logging.getLogger(__name__)

GPU_PER_CALL = bool(os.environ.get("SPACES_ZERO_GPU"))
"""Whether this is a ZeroGPU Space, which lends its GPU for each call of a function that is marked so."""

Translate = Callable[[Translator, Image.Image, str, int], Image.Image]

LABELS = "labels"
"""Public name of domains of label maps."""


@dataclass(frozen=True)
class Route:
    """A direction by the public names of its domains."""

    source: str
    target: str
    facades: bool = field(default=True, compare=False)
    """Whether a domain that is called labels has the colours of `facades.PALETTE`; other data have labels, too."""
    size: int = field(default=256, compare=False)
    """Side in pixels at which its networks know their images; larger pictures are shrunk to it if it is below 256."""

    @property
    def from_labels(self) -> bool:
        """Whether it starts from label maps in the colours of `facades.PALETTE`."""
        return self.facades and self.source == LABELS

    @property
    def to_labels(self) -> bool:
        """Whether it leads to such label maps."""
        return self.facades and self.target == LABELS

    @property
    def target_label(self) -> Text:
        return domain_name(self.target)

    @property
    def name(self) -> str:
        """What handlers know it by."""
        return f"{self.source} -> {self.target}"

    @property
    def label(self) -> Text:
        """What visitors know it by."""
        return texts.ROUTE.format(source=domain_name(self.source), target=self.target_label)


@dataclass(frozen=True)
class Model:
    """A run as the visitor meets it: a title, the routes it knows, and its translator.

    One without routes makes pictures from noise: it is watched, and never asked to translate.
    """

    title: str
    translator: Translator

    @property
    def method(self) -> str:
        """What visitors know its method by, which other runs may share."""
        return texts.METHOD_NAMES[self.translator.method]

    @property
    def routes(self) -> tuple[Route, ...]:
        translator, facades = self.translator, self._knows_facades
        config = translator.run.config
        size = config.image_size if isinstance(config, TranslationConfig) else 256
        return tuple(Route(translator.source_of(target), target, facades, size) for target in translator.targets)

    @property
    def _knows_facades(self) -> bool:
        """Whether it learned from facades: its samples are drawn ones exactly if its label maps had their colours."""
        run = self.translator.run
        return "drawn" in run.samples.values() or Path(run.config.dataset).name == "facades"

    def default_epoch(self, route: Route) -> int:
        """Return the epoch of a route that an evaluation found best, or else the last whose networks are kept.

        Raises Refusal if there is none yet, or the folder is gone.
        """
        waiting, epochs = self.waiting, self.translator.epochs
        if waiting or not epochs:  # it may go away between the two
            raise Refusal(waiting or texts.RUN_GONE.format(title=self.title))
        return best_epoch(self.translator.run, self.direction(route)) or epochs[-1]

    @property
    def is_there(self) -> bool:
        """Whether the run's folder is where it was, and holds no other run."""
        return self.translator.run.is_there

    @property
    def waiting(self) -> Text | None:
        """Why it cannot translate now; None where it can."""
        if not self.is_there:
            return texts.RUN_GONE.format(title=self.title)
        if self.translator.epochs:
            return None
        return texts.NOT_YET.format(title=self.title, epoch=self.translator.run.config.first_snapshot)

    @property
    def not_this_way(self) -> Text:
        """What to say where a route is not among its own."""
        return texts.NOT_THIS_WAY.format(method=self.title, routes=listed(route.label for route in self.routes))

    def direction(self, route: Route) -> Direction:
        return self.translator.run.direction_to(route.target)

    def translate(self, image: Image.Image, route: Route, epoch: int) -> Image.Image:
        """The translation of an image. Raises Refusal where the networks of that epoch cannot be read, or are gone."""
        if not self.is_there:  # the networks in memory may be those of another run
            raise Refusal(texts.RUN_GONE.format(title=self.title))
        try:
            return _translate(self.translator, image, route.target, epoch)
        except (RunError, WeightsError) as error:
            log.error("%s cannot translate: %s", self.title, error)
            if isinstance(error, RunError):
                choices = listed(map(str, self.translator.epochs))
                raise Refusal(texts.UNKNOWN_EPOCH.format(epoch=epoch, choices=choices)) from None
            raise Refusal(texts.DAMAGED_NETWORKS.format(title=self.title, epoch=epoch)) from None

    def epoch_at(self, wanted: int | None) -> int | None:
        """The wanted epoch, else the nearest earlier one whose networks are kept; the newest for None. None where none
        is kept yet."""
        epochs = self.translator.epochs
        return max((epoch for epoch in epochs if wanted is None or epoch <= wanted), default=min(epochs, default=None))

    def sample_row(self, route: Route) -> int | None:
        """The row of its sample images that was translated along this route; None where there is none."""
        if route not in self.routes:
            return None
        direction, samples = self.direction(route), list(self.translator.run.samples)
        return samples.index(direction) if direction in samples else None

    def drawn_row(self, route: Route) -> int | None:
        """The row of its sample images that shows the drawn examples along this route; None where there is none."""
        row = self.sample_row(route)
        return row if row is not None and self.translator.run.samples[self.direction(route)] == "drawn" else None


def on_gpu(function: Translate) -> Translate:
    """Return the function such that it runs where there is a GPU."""
    if not GPU_PER_CALL:
        return function
    from spaces import GPU  # which runs it in another process: its arguments and its result are pickled

    return GPU(function)


@on_gpu
def _translate(translator: Translator, image: Image.Image, target: str, epoch: int) -> Image.Image:
    return translator.translate(image, to=target, epoch=epoch)


class Models:
    """All models of the app, in the order of their panels."""

    def __init__(self, models: Sequence[Model]) -> None:
        self.models = tuple(models)
        offered = [route for model in self.models for route in model.routes]

        def rank(route: Route) -> tuple[int, bool]:
            return offered.count(route), any(model.drawn_row(route) is not None for model in self.on(route))

        # The page opens with the first: the route that most models share, then one whose examples are translated.
        self.routes = tuple(sorted(dict.fromkeys(offered), key=rank, reverse=True))

    @classmethod
    def load(cls, folders: Sequence[Path], *, device: str = "auto", precision: Precision = "auto") -> Models:
        """The runs in these folders; one whose training has just begun is there, and waits for its first networks.

        Raises RunError or ConfigError where one is no usable run.
        """
        translators = [Translator.load(folder, device=device, precision=precision) for folder in folders]
        return cls.of(translators)

    @classmethod
    def of(cls, translators: Sequence[Translator]) -> Models:
        """The models of these translators. A method's only run has its name. Several that each lead one way, and no
        two of them the same, have their way in their name after the first; others the name of the run."""
        models = []
        for translator in translators:
            alike = [other for other in translators if other.method == translator.method]
            title = texts.METHOD_NAMES[translator.method]
            if len({other.targets for other in alike if len(other.targets) == 1}) < len(alike) > 1:
                title = f"{title} ({translator.name})"
            elif translator is not alike[0]:
                (target,) = translator.targets
                title = f"{title} ({translator.source_of(target)} -> {target})"
            models.append(Model(title, translator))
        return cls(models)

    def warm_up(self) -> None:
        """Load the newest generators and run them once, so that the first visitor waits no longer than the second.

        Failures are logged only: whoever uses the model meets them again.
        """
        image = Image.new("RGB", (256, 256))
        for model in self.translating.models:
            if (epoch := model.epoch_at(None)) is None:
                continue
            try:
                model.translate(image, self._opening(model), epoch)
            except Exception:
                log.exception("%s cannot translate", model.title)

    @property
    def translating(self) -> Models:
        """Those of them that take pictures."""
        return Models([model for model in self.models if model.routes])

    def _opening(self, model: Model) -> Route:
        return self.routes[0] if self.routes[0] in model.routes else model.routes[0]

    def route(self, name: str) -> Route:
        """The route with this name. Raises Refusal listing those there are."""
        for route in self.routes:
            if route.name == name:
                return route
        raise Refusal(texts.UNKNOWN_DIRECTION.format(direction=name, choices=listed(each.name for each in self.routes)))

    def reverse(self, route: Route) -> Route | None:
        """The way back, where a model offers it."""
        return next((back for back in self.routes if back == Route(route.target, route.source)), None)

    def beside(self, translators: Sequence[Translator]) -> Models:
        """Those of these translators first, then those of the models here that share a route with one of them."""
        routes = {route for model in Models.of(translators).models for route in model.routes}
        related = [model.translator for model in self.models if routes & set(model.routes)]
        return Models.of([*translators, *related])

    def on(self, route: Route) -> tuple[Model, ...]:
        """The models that translate along a route."""
        return tuple(model for model in self.models if route in model.routes)

    def missing(self, route: Route) -> list[Text]:
        """Which methods do not translate along a route, or models not now, in sentences for the visitor."""
        there = self.on(route)
        methods = [model.method for model in there]
        elsewhere = [model for model in self.translating.models if model.method not in methods]
        reasons = [model.waiting for model in there] + [model.not_this_way for model in elsewhere]
        return [reason for reason in reasons if reason]


def domain_name(name: str) -> Text:
    """A domain for visitors: of an unknown one the first letter large, and all others as they are: Van Gogh."""
    return texts.DOMAIN_NAMES.get(name) or Text.same(name[:1].upper() + name[1:])


def find_runs(folder: Path) -> list[Path]:
    """The runs inside a folder, by name, but for hidden ones: those are half made. Raises RunError for none."""
    runs = sorted(path.parent for path in folder.glob("[!.]*/run.json"))
    if not runs:
        raise RunError(f"{folder} holds no runs; train one with train.py, or name one with --run PATH")
    return runs


def fingerprint(image: Image.Image) -> str:
    """The same for two images exactly if their size and pixels are."""
    return hashlib.sha256(f"{image.mode} {image.size} ".encode() + image.tobytes()).hexdigest()[:16]
