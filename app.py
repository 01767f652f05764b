"""The app: `python app.py` shows the runs in weights/ at http://127.0.0.1:7860."""

from __future__ import annotations

import os
import sys

# Both are read when Gradio, and with it huggingface_hub, is imported.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # the app asks no outside host
# The Hub's answers name the hosts of its transfer by Xet, to which the client then sends the token.
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
if os.environ.get("SPACE_ID"):  # whose visitors are strangers: what they name is not opened with its owner's token
    os.environ["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "1"

from cyclegan.pages.stubs import no_stubs
from cyclegan.pages.temporary import files_in, own_folder, remove_left, sweep
from cyclegan.runtime.proxies import bypass_proxies

if __name__ == "__main__":  # Gradio reads where its files are, and the proxies, when it is imported
    temporary = own_folder()
    for warning in bypass_proxies():
        print(f"app.py: {warning}; without it the app does not reach the Hub", file=sys.stderr)

with no_stubs():
    import gradio as gr

import importlib.util
import logging
import socket
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware

from cyclegan.config import ConfigError, Precision
from cyclegan.hub.fetching import is_address
from cyclegan.pages.desktop import WindowError, check_window, has_screen, show_window
from cyclegan.pages.ending import Ending, RefuseWhenEnding
from cyclegan.pages.hub.runs import KEPT, HubRuns
from cyclegan.pages.language_choice import LanguageChoice
from cyclegan.pages.languages import LANGUAGES
from cyclegan.pages.layout import Layout
from cyclegan.pages.logs import keep_short
from cyclegan.pages.look import ICON, STYLE_SHEET, theme
from cyclegan.pages.models import GPU_PER_CALL, Models, find_runs
from cyclegan.pages.origins import origin_checks
from cyclegan.pages.request_limits import RequestLimits
from cyclegan.pages.sessions import explain_forgotten
from cyclegan.runs.run import RunError
from cyclegan.runtime.memory import share_one_heap
from cyclegan.runtime.signals import stop_signals

log = logging.getLogger(__name__)

WEIGHTS = Path(__file__).parent / "weights"
MOST_WAITING = 64
"""Calls that wait at most, of all visitors together, beside those of Draw (`pages/draw/page.py`): at about six answers
a second on two cores, ten seconds. Who comes then is told that the app is busy."""

SPACE_DISK = 10 << 30
"""Bytes that repositories which visitors name may take of a Space's disk, of which it has 50 GB at least."""

PATIENCE = 20.0
"""Seconds for which running calls are waited for when the app is to end; ten later Kubernetes ends it by force."""
FETCHING = 1.0
"""Seconds for which it waits then for programs and browsers to fetch their last pictures."""


@dataclass(frozen=True)
class Settings:
    """Show CycleGAN and pix2pix side by side, with a slider through the epochs of their training."""

    run: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Run to show, once for each: its folder, or its repository on the Hugging Face Hub, owner/name or
    owner/name@revision; all runs in weights/ unless given."""
    host: str = field(default_factory=lambda: "0.0.0.0" if os.environ.get("SPACE_ID") else "127.0.0.1")
    """Address to listen at; 0.0.0.0, the default in a Hugging Face Space, lets the whole network in."""
    port: int = 7860
    """Port to listen at."""
    device: str = "auto"
    """auto (CUDA, else Apple's GPU, else CPU), cpu, cuda, cuda:1, mps."""
    browser: bool = True
    """Open a browser, where there is a screen to see it."""
    window: bool = False
    """Show the app in a window of its own: pip install -r requirements-window.txt first."""
    mcp: bool = False
    """Offer the endpoints to AI assistants, too, by the Model Context Protocol: pip install -r requirements-mcp.txt
    first."""
    precision: Precision = "auto"
    """auto (bf16 where it is faster here), fp32, bf16."""
    sessions: int = 200
    """Sessions that are remembered, the latest ones, in half a megabyte each: a page that was opened, or one call of a
    program. Who is forgotten has to open runs of the Hub again, and notices nothing else."""
    keep_hours: float = 4.0
    """Hours after which visitors' files are deleted: what they uploaded, and what was made of it."""


class MissingExtraError(RuntimeError):
    """A package that is not among the requirements is needed: the message says how to install it."""


class AddressError(ValueError):
    """The app cannot listen where it was told to: the message says why and what to do."""


def build(settings: Settings) -> Layout:
    """The app with its runs loaded, in all languages: the page in the first of them.

    Those on the Hub are loaded when the first visitor comes: with no network the app starts as well. Raises RunError or
    ConfigError where a folder holds no usable run."""
    if settings.sessions < 1:
        raise ConfigError(f"sessions is {settings.sessions}; it must be 1 or more")
    if not settings.keep_hours > 0:
        raise ConfigError(f"keep_hours is {settings.keep_hours:g}; it must be more than 0")
    addresses = [run for run in settings.run if is_address(run)]
    for address in addresses:
        if Path(address).parent.is_dir():  # then it may be a path, mistyped
            log.warning("there is no folder %s: it is taken for a repository on the Hugging Face Hub", address)
    folders = [Path(run) for run in settings.run if run not in addresses]
    if not folders and (not addresses or WEIGHTS.is_dir()):
        folders = find_runs(WEIGHTS)
    models = Models.load(folders, device=settings.device, precision=settings.precision)
    disk = SPACE_DISK if os.environ.get("SPACE_ID") else None  # elsewhere the cache is also that of other programs
    kept = max(KEPT, len(addresses))
    hub = HubRuns(device=settings.device, precision=settings.precision, kept=kept, disk=disk)
    return Layout.in_all_languages(models, hub=hub, addresses=addresses)[LANGUAGES[0]]


def serve(layout: Layout, settings: Settings) -> None:
    """Serve the app until it is stopped, or its window closed.

    Raises AddressError where it cannot listen at its address, WindowError where there can be no window.
    """
    blocks = layout.blocks.queue(max_size=MOST_WAITING, api_open=False)
    check_address(settings.host, settings.port)
    folder = Path(get_upload_folder())
    keep = files_in(folder)  # those that the page shows to everybody
    keep_short()
    ending = Ending()
    try:
        blocks.launch(
            server_name=f"[{settings.host}]" if ":" in settings.host else settings.host,
            server_port=settings.port,
            theme=theme(),
            css=STYLE_SHEET.read_text(encoding="utf-8"),
            max_file_size="10mb",
            show_error=False,
            run_history=False,
            state_session_capacity=settings.sessions,  # who has left counts, too: Gradio forgets nobody before
            enable_monitoring=False,
            ssr_mode=False,
            footer_links=["api"],
            app_kwargs={
                "middleware": [
                    *origin_checks(settings.host),
                    Middleware(RefuseWhenEnding, ending=ending),
                    Middleware(RequestLimits),
                    Middleware(LanguageChoice),
                ],
                "exception_handlers": {KeyError: explain_forgotten},
            },
            favicon_path=str(ICON),
            pwa=True,
            mcp_server=settings.mcp,
            inbrowser=settings.browser and not settings.window and has_screen(),
            prevent_thread_lock=True,
            quiet=True,  # it advises share=True, which this command has not
        )
    except OSError:  # taken since it was checked
        raise _unusable(settings.host, settings.port, "the address is in use") from None
    print(f"* Running on local URL:  {blocks.local_url.rstrip('/')}", flush=True)
    threading.Thread(target=keep_swept, args=(blocks, folder, keep, 3600 * settings.keep_hours), daemon=True).start()
    if not GPU_PER_CALL:
        # In the background: the page opens with pictures from disk, and needs the networks only at the first click.
        # Not before the server is up, and no daemon: Python must not end while a thread is inside PyTorch.
        threading.Thread(target=layout.models.warm_up).start()
    if settings.window:
        show_window(blocks.local_url, blocks.title)
        blocks.close()
    else:
        wait_for_the_end(blocks, ending)


def wait_for_the_end(blocks: gr.Blocks, ending: Ending) -> None:
    """Return after SIGTERM or Ctrl-C, when who waited by then has the pictures.

    Who comes meanwhile is told that the app is busy. A second Ctrl-C ends it at once.
    """
    with stop_signals() as received:
        while blocks.is_running and not received:
            time.sleep(0.1)
        ending.begun = True
        quiet, latest = time.monotonic() + FETCHING, time.monotonic() + PATIENCE
        while time.monotonic() < min(quiet, latest):
            if ending.answers:
                quiet = time.monotonic() + FETCHING
            time.sleep(0.1)
        blocks.close(verbose=False)


def keep_swept(blocks: gr.Blocks, folder: Path, keep: Collection[Path], seconds: float) -> None:
    """Delete visitors' files when they are so old, again and again."""
    while True:
        time.sleep(seconds / 100)
        sweep(folder, keep, seconds)
        remove_left(folder.parent)
        for paths in blocks.temp_file_sets:
            paths.clear()  # what Gradio would delete: nobody else shortens these


def check_address(host: str, port: int) -> None:
    """Raise AddressError, with the system's reason, where nothing can listen there. Gradio's own gives none."""
    if not 1 <= port <= 65535:
        raise AddressError(f"port is {port}; it must be 1 to 65535")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0].lower()
        raise _unusable(host, port, reason) from None


def _unusable(host: str, port: int, reason: str) -> AddressError:
    return AddressError(f"cannot listen at {host}, port {port}: {reason}; choose another one with --port or --host")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the app; returns the exit code: 2 where it could not start."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    settings = tyro.cli(Settings, args=arguments, description=Settings.__doc__)
    share_one_heap()
    try:
        if settings.window:
            check_window()
        if settings.mcp and importlib.util.find_spec("mcp") is None:
            raise MissingExtraError("--mcp needs the package mcp: pip install -r requirements-mcp.txt")
        serve(build(settings), settings)
    except (RunError, ConfigError, AddressError, MissingExtraError, WindowError) as error:
        return _fail(str(error))
    return 0


def _fail(message: str) -> int:
    print(f"app.py: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    with temporary:
        sys.exit(main())
