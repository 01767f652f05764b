"""What every model makes of a picture, and the truth where it is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from cyclegan.pages.errors import Refusal
from cyclegan.pages.examples import Examples
from cyclegan.pages.frames import sample_epochs, sample_picture
from cyclegan.pages.inputs import Prepared, prepare
from cyclegan.pages.languages import Text
from cyclegan.pages.models import Model, Models, Route
from cyclegan.pages.translate.scores import Scores, fit_truth, score
from cyclegan.runs.scores import best_epoch

DEFAULT = 0
"""The choice of each model's default epoch: the best on val, else the last."""


@dataclass(frozen=True)
class Result:
    """What a model makes of a picture, and after which epoch."""

    image: Image.Image
    epoch: int
    scores: Scores | None = None
    """Where the truth is known."""


@dataclass(frozen=True)
class Translation:
    """A picture and what became of it: results in the order of the models, None where there is none."""

    prepared: Prepared
    route: Route
    results: tuple[Result | None, ...]
    truth: Image.Image | None
    notes: tuple[Text, ...]
    """What the visitor should know of the picture."""
    missing: tuple[Text, ...] = ()
    """Why there are no results of some models."""


class Translations:
    """Translations by the models of the app: the same in every language, and those that pages open with made once."""

    def __init__(self, models: Models, examples: Examples) -> None:
        self.models = models
        self.examples = examples
        self._opening = lru_cache(1)(self._translate_first)

    def first(self, route: Route) -> Translation | None:
        """The first example as the samples on disk show it, nearly what the networks give: until `opening` is there."""
        example = next(iter(self.examples.on(route)), None)
        if example is None:
            return None
        results = tuple(_sampled(model, route, example.column) for model in self.models.models)
        prepared = prepare(example.image, route)
        missing = tuple(self.models.missing(route))
        return Translation(prepared, route, results, example.truth, prepared.notes, missing)

    @property
    def opening(self) -> Translation | None:
        """What pages open with: the first example by the newest networks; None where there are no examples."""
        return self._opening(tuple(model.epoch_at(None) for model in self.models.models))

    def _translate_first(self, newest: tuple[int | None, ...]) -> Translation | None:
        """The opening as long as these are the newest epochs."""
        route = self.models.routes[0]
        example = next(iter(self.examples.on(route)), None)
        return self.translate(example.image, route) if example else None

    def translate(
        self, image: Image.Image | None, route: Route, epoch: int = DEFAULT, truth: Image.Image | None = None
    ) -> Translation:
        """The picture by every model of the route, scored against the truth: that of the example, or the visitor's own.

        Raises Refusal where there is no picture.
        """
        prepared = prepare(image, route)
        example, notes = self.examples.find(prepared.image, route), prepared.notes
        if truth is not None:
            truth, reason = fit_truth(truth, prepared.image.size, route)
            notes += (reason,) if reason else ()
        elif example is not None:
            truth = example.truth
        results: dict[Model, Result] = {}
        missing = self.models.missing(route)
        for model, at in self.epochs(route, epoch).items():
            try:
                made = model.translate(prepared.image, route, at)
            except Refusal as refusal:  # what the others make of it is worth showing
                missing = [*missing, refusal.text]
            else:
                results[model] = Result(made, at, score(made, truth, route) if truth else None)
        shown = tuple(map(results.get, self.models.models))
        return Translation(prepared, route, shown, truth, notes, tuple(missing))

    def epochs(self, route: Route, epoch: int = DEFAULT) -> dict[Model, int]:
        """Which models translate along a route, and after which epoch each: the wanted, else the nearest earlier."""
        found = {
            model: model.epoch_at(epoch or best_epoch(model.translator.run, model.direction(route)))
            for model in self.models.on(route)
        }
        return {model: at for model, at in found.items() if at is not None}


def _sampled(model: Model, route: Route, column: int) -> Result | None:
    if route not in model.routes:
        return None
    epoch = model.epoch_at(best_epoch(model.translator.run, model.direction(route)))
    if epoch is None or model.drawn_row(route) is None or epoch not in sample_epochs(model):
        return None
    return Result(sample_picture(model, route, epoch, column), epoch)
