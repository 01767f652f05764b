"""There and back again: a picture through two generators, and how real a discriminator finds what comes out."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from PIL import Image

from cyclegan.config import ConfigError, Domain
from cyclegan.hub.errors import HubError
from cyclegan.images.io import ImageError
from cyclegan.networks.storage import WeightsError
from cyclegan.pages.maps import Map, error_map
from cyclegan.pages.models import Model, Models, Route
from cyclegan.translate.realness import Eye, over_pixels

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Judged:
    """A picture of a trip in the eye of the discriminator of its domain: realness 0..1 of every pixel [H, W]."""

    image: Image.Image
    name: str
    """The public name of its domain."""
    realness: Map

    @property
    def share(self) -> float:
        """Which part of the picture passes for real."""
        return float((self.realness > 0.5).mean())


@dataclass(frozen=True)
class Return:
    """F(G(x)) and how far it is from x: |F(G(x)) - x| of every pixel."""

    image: Image.Image
    errors: Map

    @property
    def loss(self) -> float:
        """The cycle loss of this picture without its weight: Zhu et al. 2017 (arXiv:1703.10593) equation 2, up to the
        rounding of G(x) to 8 bits."""
        return float(self.errors.mean())


@dataclass(frozen=True)
class Trip:
    """x -> G(x) -> F(G(x)), by the newest generators; without a way back, x -> G(x)."""

    model: Model
    there: Image.Image
    back: Return | None
    judged: tuple[Judged, ...]
    """x, G(x) and F(G(x)), as far as there is a discriminator for them."""


class RoundTrips:
    """All models and their discriminators, ready for a trip."""

    def __init__(self, models: Models) -> None:
        self.models = models
        self._eyes = {model.title: Eye(model.translator.run, device=model.translator.device) for model in models.models}

    def sees(self, model: Model) -> bool:
        """Whether a model's discriminators can be asked."""
        return self._eyes[model.title].is_open

    def is_here(self, model: Model) -> bool:
        """Whether its discriminators lie on this machine: from the Hub they are fetched before, or are not asked."""
        run = model.translator.run
        return all((run.discriminator_folder(domain) / "model.safetensors").is_file() for domain in run.judged)

    def way_back(self, model: Model, route: Route) -> Model | None:
        """Who translates back: the model itself, or another one of its method; None where nobody does."""
        back = Route(route.target, route.source)
        candidates = (model, *(other for other in self.models.models if other.method == model.method))
        return next((candidate for candidate in candidates if back in candidate.routes), None)

    def go(self, model: Model, route: Route, image: Image.Image) -> Trip:
        """The trip of a picture that is prepared for the route."""
        there = model.translate(image, route, model.default_epoch(route))
        returning = self.way_back(model, route)
        if returning is None:
            return Trip(model, there, None, tuple(self._judge(model, route, image, there, None)))
        way = Route(route.target, route.source)
        back = returning.translate(there, way, returning.default_epoch(way))
        judged = self._judge(model, route, image, there, back if returning is model else None)
        return Trip(model, there, Return(back, error_map(image, back)), tuple(judged))

    def _judge(
        self, model: Model, route: Route, image: Image.Image, there: Image.Image, back: Image.Image | None
    ) -> list[Judged]:
        """What of a trip the model's own discriminators have an opinion of."""
        eye, run = self._eyes[model.title], model.translator.run
        if not eye.is_open or not self.is_here(model):
            return []
        source, target = domains_of(model, route)
        pictures = [(image, source), (there, target), *([(back, source)] if back else [])]
        judged = []
        for picture, domain in pictures:
            if domain not in run.judged:
                continue
            try:
                patches = eye.realness(picture, domain, source=image)
            except (ImageError, WeightsError, ConfigError, HubError) as error:  # the trip itself is worth showing
                log.warning("%s cannot judge: %s", model.title, error)
                return []
            realness = over_pixels(patches, picture.size, run.discriminator(domain))
            judged.append(Judged(picture, run.domain(domain), realness))
        return judged


def domains_of(model: Model, route: Route) -> tuple[Domain, Domain]:
    """The domains of a route, as the model's run calls them: source, target."""
    return ("a", "b") if model.direction(route) == "ab" else ("b", "a")
