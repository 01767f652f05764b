"""The app: `python app.py` shows the runs in weights/ at http://127.0.0.1:7860."""

from __future__ import annotations

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported: the app asks no outside host

import logging
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import gradio as gr
import tyro

from cyclegan.config import ConfigError, Precision
from cyclegan.pages.layout import Layout
from cyclegan.pages.look import STYLE_SHEET, theme
from cyclegan.pages.models import Models, find_runs
from cyclegan.runs import RunError

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Settings:
    """Show CycleGAN and pix2pix side by side, with a slider through the epochs of their training."""

    run: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    """Folder of a run to show, once for each; all runs in weights/ unless given."""
    host: str = "127.0.0.1"
    """Address to listen at; 0.0.0.0 lets the whole network in."""
    port: int = 7860
    """Port to listen at."""
    device: str = "auto"
    """auto (CUDA, else Apple's GPU, else CPU), cpu, cuda, cuda:1, mps."""
    precision: Precision = "auto"
    """auto (bf16 where it is faster here), fp32, bf16."""


def build(settings: Settings) -> gr.Blocks:
    """The app with its runs loaded. Raises RunError or ConfigError where one is no usable run."""
    folders = settings.run or find_runs(WEIGHTS)
    models = Models.load(folders, device=settings.device, precision=settings.precision)
    # In the background: the page opens with pictures from disk, and needs the networks only at the first click.
    threading.Thread(target=models.warm_up, daemon=True).start()
    return Layout(models).blocks.queue(max_size=20)


def launch(blocks: gr.Blocks, settings: Settings, **options: Any) -> None:
    """Serve the app until it is stopped. Raises OSError where the port is taken."""
    blocks.launch(
        server_name=settings.host,
        server_port=settings.port,
        theme=theme(),
        css_paths=STYLE_SHEET,
        max_file_size="10mb",
        show_error=False,
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        footer_links=["api"],
        **options,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the app; returns the exit code: 2 where it could not start."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    settings = tyro.cli(Settings, args=arguments, description=Settings.__doc__)
    try:
        launch(build(settings), settings)
    except (RunError, ConfigError) as error:
        return _fail(str(error))
    except OSError as error:
        if "port" not in str(error):
            raise
        return _fail(f"port {settings.port} is taken or not allowed; choose another one with --port")
    return 0


def _fail(message: str) -> int:
    print(f"app.py: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
