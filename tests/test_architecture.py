"""The way through the house: imports go one way, starting is quick, and the package does not talk."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from graphlib import TopologicalSorter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "cyclegan"

# A module imports from the rows above its own; within a folder, imports go one way too.
LAYERS = (
    {"config"},
    {"runtime", "facades"},
    {"images"},
    {"networks"},
    {"runs"},
    {"hub"},
    {"data"},
    {"training", "translate"},
    {"evaluation"},
    {"pages", "doctor"},
    {"train", "app"},
)
LAYER_OF = {name: layer for layer, names in enumerate(LAYERS) for name in names}
TRAINING_ONLY = {
    "training",
    *(
        f"data.{name}"
        for name in (
            "batches",
            "choice",
            "hub_datasets",
            "noise",
            "downloads",
            "named_datasets",
        )
    ),
}
COMMANDS_ONLY = {
    *("doctor", "translate.command", "translate.__main__"),
    *(f"runs.{name}" for name in ("convert", "compress", "export", "redaction")),
    *(f"evaluation.{name}" for name in ("segmenter", "measuring", "command", "compare")),
    *(f"evaluation.{name}" for name in ("comparison", "report")),
    *(f"hub.{name}" for name in ("cards", "sheets", "uploads", "publishing", "spaces", "command")),
}
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
COMMANDS = [ROOT / "train.py", ROOT / "app.py"]


def module_of(path: Path) -> str:
    """The name in the table: that of the file, or of its folder within the package."""
    return path.stem if path.parent in (PACKAGE, ROOT) else path.relative_to(PACKAGE).parts[0]


def imported_modules(path: Path) -> Iterator[str]:
    """Modules of the package that a file imports, anywhere in it, by their path in it; `train` and `app` too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; imports here are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            top, *rest = name.split(".")
            if top == "cyclegan" and rest:
                while rest and not (
                    PACKAGE.joinpath(*rest).is_dir() or PACKAGE.joinpath(*rest).with_suffix(".py").is_file()
                ):
                    rest.pop()
                if rest:
                    yield ".".join(rest)
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
    for imported in imported_modules(path):
        other = imported.partition(".")[0]
        inside = module == other and path not in COMMANDS
        assert inside or LAYER_OF[other] < LAYER_OF[module], f"{module} imports {imported}, which is not above it"


def test_no_module_imports_itself_through_others() -> None:
    imports = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): set(imported_modules(path)) for path in SOURCES
    }
    TopologicalSorter(imports).prepare()  # CycleError names the circle


def test_importing_the_package_is_instant() -> None:
    assert not {"torch", "numpy", "PIL", "pydantic"} & modules_after("import cyclegan")


def test_the_translator_brings_nothing_of_training() -> None:
    loaded = modules_after("from cyclegan import Translator")
    assert "cyclegan.translate.translator" in loaded
    assert not {f"cyclegan.{name}" for name in TRAINING_ONLY | COMMANDS_ONLY} & loaded
    assert "gradio" not in loaded


def test_the_app_brings_nothing_of_training_and_does_not_wait_for_gradio_to_write_stubs() -> None:
    """For stubs Gradio would parse its own source."""
    loaded = modules_after("import ast; ast.get_source_segment = None; import app")
    assert "cyclegan.translate.translator" in loaded
    assert not {f"cyclegan.{name}" for name in TRAINING_ONLY | COMMANDS_ONLY} & loaded


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


def test_requirements_name_the_oldest_version_and_none_beyond_the_tested_ones() -> None:
    """Pinned, or from an oldest version up to the next major one after that which is installed here."""
    for path in ROOT.glob("requirements*.txt"):
        lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
        for requirement in (Requirement(line) for line in lines if line and not line.startswith("-r ")):
            bounds = {each.operator: Version(each.version) for each in requirement.specifier}
            if "==" in bounds:
                continue
            assert set(bounds) == {">=", "<"}, f"{path.name}: {requirement} lacks a bound"
            with suppress(PackageNotFoundError):  # an extra
                tested = Version(version(requirement.name))
                assert tested in requirement.specifier and bounds["<"].major <= tested.major + 1, (
                    f"{path.name}: {requirement}, but {tested} is tested"
                )
