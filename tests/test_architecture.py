"""The way through the house: imports go one way, starting is quick, and the package does not talk."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "cyclegan"

# A module imports from the rows above its own alone; those of `pages` also from each other.
LAYERS = (
    {
        *("files", "config", "images", "edges", "facade_drawing", "charts"),
        *("archives", "transfers", "hub_errors"),
    },
    {
        *("facades", "layers", "averages", "losses", "pools", "schedules", "augmentation", "colours", "metrics"),
        *("datasets", "devices", "downloads", "recipes", "citations", "repositories", "uploads"),
    },
    {"generators", "batches"},
    {"discriminators", "noise", "bands", "doctor"},
    {"networks"},
    {"storage", "objectives"},
    {"runs", "reference", "segmenter"},
    {
        *("samples", "sample_archive", "scores", "realness", "redaction", "hub_source"),
        *("convert", "export", "segmenter_training"),
    },
    {"training", "pack", "fetching", "sheets"},
    {"translate", "cards"},
    {"pages", "publishing", "folders"},
    {"comparison", "spaces"},
    {"measuring", "report", "hub"},
    {"judging", "evaluation"},
    {"train", "app", "compare"},
)
LAYER_OF = {name: layer for layer, names in enumerate(LAYERS) for name in names}
TRAINING_ONLY = {
    *("training", "averages", "augmentation", "objectives", "losses", "edges", "pools", "schedules"),
    *("batches", "noise", "downloads", "transfers"),
}
COMMANDS_ONLY = {
    *("segmenter", "segmenter_training", "measuring", "evaluation"),
    *("pack", "folders", "doctor", "export", "charts", "report", "recipes", "comparison", "judging", "compare"),
    *("hub", "cards", "sheets", "uploads", "publishing", "spaces", "redaction"),
}
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
COMMANDS = [ROOT / "train.py", ROOT / "app.py"]


def module_of(path: Path) -> str:
    """The name in the table: that of the file, or of its folder within the package."""
    return path.stem if path.parent in (PACKAGE, ROOT) else path.relative_to(PACKAGE).parts[0]


def imported_modules(path: Path) -> Iterator[str]:
    """Modules of the package that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; imports here are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            top, _, rest = name.partition(".")
            if top == "cyclegan" and rest:
                yield rest.split(".")[0]
            elif top in ("train", "app"):
                yield top


def modules_after(code: str) -> set[str]:
    """What a fresh interpreter has loaded after running this code."""
    script = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("path", [*SOURCES, *COMMANDS], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_one_way(path: Path) -> None:
    module = module_of(path)
    assert module in LAYER_OF, f"{module} is not in the table of layers"
    for other in imported_modules(path):
        inside = module == other == "pages"
        assert inside or LAYER_OF[other] < LAYER_OF[module], f"{module} imports {other}, which is not above it"


def test_importing_the_package_is_instant() -> None:
    assert not {"torch", "numpy", "PIL", "pydantic"} & modules_after("import cyclegan")


def test_the_translator_brings_nothing_of_training() -> None:
    loaded = modules_after("from cyclegan import Translator")
    assert "cyclegan.translate" in loaded
    assert not {f"cyclegan.{name}" for name in TRAINING_ONLY | COMMANDS_ONLY} & loaded
    assert "gradio" not in loaded


def test_the_app_brings_nothing_of_training() -> None:
    assert not {f"cyclegan.{name}" for name in TRAINING_ONLY | COMMANDS_ONLY} & modules_after("import app")


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    import cyclegan

    with pytest.raises(AttributeError, match="has no attribute 'Pix2Pix'"):
        cyclegan.Pix2Pix  # noqa: B018


def test_the_package_prints_nothing() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            assert not (isinstance(called, ast.Name) and called.id == "print"), f"{path} prints; it should log"


def test_input_is_not_checked_by_assertions() -> None:
    """`python -O` leaves them out."""
    for path in SOURCES:
        assert not any(
            isinstance(node, ast.Assert) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        ), path
