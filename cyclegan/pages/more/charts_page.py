"""Curves: losses and learning rate of any run, with zoom."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from cyclegan.pages.assets import component
from cyclegan.pages.curves import plots_of
from cyclegan.pages.languages import Language, sentences, translated
from cyclegan.pages.models import Model, Models
from cyclegan.pages.more import charts_texts
from cyclegan.pages.watch import texts as watch_texts
from cyclegan.runs.scores import best_epoch


class ChartsPage:
    """The page's component; zooming asks nobody. What it draws is in `charts.js` and `curves.js`."""

    def __init__(self, models: Models, language: Language) -> None:
        self.models = models
        self.language = language
        self.charts = component(
            "more/charts",
            self.value(),
            needs=["curves.css", "curves.js"],
            labels={**translated(charts_texts.LABELS, language), "scale": watch_texts.LABELS["scale"].to(language)},
            elem_id="charts",
        )

    def value(self) -> list[dict[str, Any]]:
        """All runs as they are now: titles, plots, and the epoch that was judged best."""
        runs = []
        for model in self.models.models:
            run = model.translator.run
            plots = [asdict(plot) for plot in plots_of(run, model.title, self.language)]
            runs.append({"title": model.title, "plots": plots, **self._best(model)})
        return runs

    def _best(self, model: Model) -> dict[str, Any]:
        """The best epoch along the first of the app's routes along which one was judged, and what its star means."""
        for route in (route for route in self.models.routes if route in model.routes):
            best = best_epoch(model.translator.run, model.direction(route))
            if best is not None:
                star = charts_texts.STAR.format(route=route.label)
                return {"best": best, "hint": sentences([star, charts_texts.LABELS["hint"]]).to(self.language)}
        return {"best": None, "hint": charts_texts.LABELS["hint"].to(self.language)}
