"""Batch: many files or a zip in, a gallery and a zip out."""

from __future__ import annotations

import html
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData, ListFiles

from cyclegan.pages.errors import Refusal
from cyclegan.pages.inputs import NoStub
from cyclegan.pages.languages import Language, Text
from cyclegan.pages.models import Model, Models, Route
from cyclegan.pages.more import batch_texts
from cyclegan.pages.more.batch import MAX_PICTURES, Done, Pack, Skipped, Upload, gather, translate_all
from cyclegan.pages.sessions import Tasks

THUMBNAIL_SIZE = 320
"""Longest side of a picture in the gallery, in pixels; the zip has them in full."""


class FilesInput(gr.File, metaclass=NoStub):
    """A file input whose handlers learn what the visitor calls the files: the stock one cleans the names."""

    def get_block_name(self) -> str:
        """Names the code that shows it in the browser: that of the stock component."""
        return "file"

    def preprocess(self, payload: ListFiles | FileData | None) -> list[Upload]:  # type: ignore[override]
        files: Sequence[FileData] = (
            [] if payload is None else [payload] if isinstance(payload, FileData) else payload.root
        )
        return [Upload(Path(file.path), file.orig_name or Path(file.path).name) for file in files]


class BatchPage:
    """The page's components, and the handlers behind them."""

    def __init__(self, models: Models, language: Language, cache: Path) -> None:
        """Lay the page out; `cache` is the folder whose files Gradio serves and deletes."""
        self.language = language
        self.cache = cache
        self._networks = [(model, route) for route in models.routes for model in models.on(route)]
        self._batches = Tasks()
        gr.Markdown(batch_texts.INTRO.format(count=MAX_PICTURES).to(language))
        with gr.Row():
            with gr.Column(min_width=260):
                self.files = FilesInput(
                    label=batch_texts.FILES.to(language), file_count="multiple", file_types=["image", ".zip"],
                    height=180, interactive=True, elem_id="batch-files",
                )  # fmt: skip
            with gr.Column(min_width=220):
                self.network = gr.Dropdown(
                    [(_name(model, route).to(language), index) for index, (model, route) in enumerate(self._networks)],
                    value=0, label=batch_texts.NETWORK.to(language), interactive=True, elem_id="batch-network",
                )  # fmt: skip
                with gr.Row():
                    self.run = gr.Button(
                        batch_texts.RUN.to(language), variant="primary", min_width=110, elem_id="batch-run"
                    )
                    self.stop = gr.Button(
                        batch_texts.STOP.to(language), min_width=90, interactive=False, elem_id="batch-stop"
                    )
        self.status = gr.HTML(elem_id="batch-status")
        self.report = gr.Markdown(visible=False, elem_id="batch-report")
        self.download = gr.DownloadButton(
            batch_texts.DOWNLOAD.to(language), visible=False, variant="primary", elem_id="batch-download"
        )
        self.gallery = gr.Gallery(
            label=batch_texts.RESULTS.to(language), visible=False, columns=4, height="auto", format="png",
            interactive=False, elem_id="batch-gallery",
        )  # fmt: skip
        self._connect()

    def _connect(self) -> None:
        outputs = [self.status, self.gallery, self.download, self.report, self.run, self.stop]
        started = self.run.click(
            self.translate_files, [self.files, self.network], outputs,
            api_visibility="private", show_progress="hidden", concurrency_limit=1, concurrency_id="batch",
        )  # fmt: skip
        started.failure(self.ready, None, [self.run, self.stop], api_visibility="private", queue=False)
        self.stop.click(self.end, None, self.stop, api_visibility="private", queue=False, show_progress="hidden")

    def translate_files(self, uploads: list[Upload], network: int, request: gr.Request) -> Iterator[list[Any]]:
        """Translate all files: after each, how far it is; at the end, or when it is stopped, what was made."""
        with self._batches.begin(request) as goes_on, tempfile.TemporaryDirectory() as folder:
            if not 0 <= network < len(self._networks):
                raise Refusal(batch_texts.NO_FILES)
            model, route = self._networks[network]
            yield from self._translate(*gather(uploads, Path(folder)), model, route, goes_on)

    def _translate(
        self, files: list[Upload], skipped: list[Skipped], model: Model, route: Route, goes_on: Callable[[], bool]
    ) -> Iterator[list[Any]]:
        self.cache.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self.cache))
        path = folder / f"{re.sub(r'[^A-Za-z0-9]+', '-', f'{route.target} {model.translator.method}')}.zip"
        shown: list[tuple[str, str]] = []
        notes: list[tuple[str, Text]] = []
        hidden = gr.update(visible=False)
        running = [gr.update(interactive=False), gr.update(interactive=True)]
        yield [self._bar(0, len(files), ""), hidden, hidden, hidden, *running]
        with Pack(path) as pack:
            for number, result in enumerate(translate_all(files, model, route), 1):
                if isinstance(result, Skipped):
                    skipped.append(result)
                else:
                    shown.append((self._thumbnail(result, folder, route), pack.add(result.name, result.image)))
                    notes += [(result.name, result.note)] if result.note else []
                yield [self._bar(number, len(files), result.name), *[gr.skip()] * 5]
                if not goes_on():
                    break
        stopped = not goes_on() and len(shown) + len(skipped) < len(files)
        finished = (batch_texts.STOPPED if stopped else batch_texts.FINISHED).format(count=len(shown))
        report = self._listed(batch_texts.SKIPPED, [(each.name, each.reason) for each in skipped])
        report += self._listed(batch_texts.NOTES, notes)
        yield [
            f"<p role=status>{finished.to(self.language)}</p>",
            gr.update(value=shown, visible=bool(shown)),
            gr.update(value=str(path) if shown else None, visible=bool(shown)),
            gr.update(value=report, visible=bool(report)),
            *self.ready(),
        ]

    def end(self, request: gr.Request) -> Any:
        """Have the batch of this visitor end after the image at hand."""
        self._batches.cancel(request)
        return gr.update(interactive=False)

    def ready(self) -> list[Any]:
        """The buttons while nothing runs."""
        return [gr.update(interactive=True), gr.update(interactive=False)]

    def _bar(self, done: int, total: int, name: str) -> str:
        text = batch_texts.PROGRESS.format(done=done, total=total, name=name).to(self.language)
        label = html.escape(text, quote=True)
        return f'<progress max="{total}" value="{done}" aria-label="{label}"></progress><p>{label}</p>'

    def _listed(self, title: Text, entries: Sequence[tuple[str, Text]]) -> str:
        if not entries:
            return ""
        lines = (f"- `{name.replace('`', '')}`: {reason.to(self.language)}" for name, reason in entries)
        return "\n".join([f"**{title.to(self.language)}**\n", *lines, "\n"])

    def _thumbnail(self, result: Done, folder: Path, route: Route) -> str:
        image = result.image.copy()
        image.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
        path = folder / f"{len(list(folder.iterdir()))}.{'png' if route.to_labels else 'jpg'}"
        image.save(path)
        return str(path)


def _name(model: Model, route: Route) -> Text:
    return batch_texts.NETWORK_CHOICE.format(title=model.title, route=route.label)
