"""Weights of the reference: every layout becomes a run and comes back, and whatever else is refused by name.

The reference's keys and shapes are its tables, as `test_networks` writes them out; none of its files is here.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from cyclegan.config import ConfigError, CycleGANConfig, GeneratorConfig, GeneratorName, Norm, Pix2PixConfig
from cyclegan.facades.labels import draw_facade
from cyclegan.networks.build import build_generator, for_translation, initialize
from cyclegan.networks.storage import WeightsError
from cyclegan.pages.models import Models, Route
from cyclegan.runs.compress import compress
from cyclegan.runs.convert import export_reference, import_reference, main
from cyclegan.runs.run import Domains, Run, RunError
from cyclegan.translate.translator import Translator
from tests.conftest import make_run
from tests.networks.test_networks import (
    ARCHITECTURES,
    BLOCKS,
    DROPOUT,
    LEVELS,
    SMALLEST,
    Functional,
    Shapes,
    State,
    images,
    resnet_shapes,
    unet_shapes,
)

ROOT = Path(__file__).parents[2]
NORMS = pytest.mark.parametrize("norm", ["instance", "batch", "none"])
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def reference_shapes(architecture: GeneratorName, norm: Norm, dropout: bool, width: int) -> Shapes:
    """Tables c3 and c4 at another width, in the order of the layers. Without a norm there are batch norm's
    convolutions, without biases."""

    def table(norm: Norm) -> Shapes:
        if architecture in BLOCKS:
            return resnet_shapes(BLOCKS[architecture], norm, dropout)
        return unet_shapes(LEVELS[architecture], norm)

    shapes = table("batch" if norm == "none" else norm)
    if norm == "none":
        norms = norm_names(architecture, dropout)
        shapes = {name: shape for name, shape in shapes.items() if name.rpartition(".")[0] not in norms}
    return {
        name: tuple(side * width // 64 if side % 64 == 0 else side for side in shapes[name])
        for name in sorted(shapes, key=lambda name: [int(part) for part in name.split(".") if part.isdigit()])
    }


def norm_names(architecture: GeneratorName, dropout: bool) -> set[str]:
    shapes = resnet_shapes(BLOCKS[architecture], "batch", dropout) if architecture in BLOCKS else None
    shapes = shapes or unet_shapes(LEVELS[architecture], "batch")
    return {name.removesuffix(".running_var") for name in shapes if name.endswith(".running_var")}


def reference_weights(
    architecture: GeneratorName, norm: Norm, dropout: bool = False, *, width: int = 2, seed: int = 0
) -> OrderedDict[str, Tensor]:
    """A state dict as the reference saves it, of values that half precision holds exactly."""
    rng = torch.Generator().manual_seed(seed)
    state: OrderedDict[str, Tensor] = OrderedDict()
    for name, shape in reference_shapes(architecture, norm, dropout, width).items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(1234)
        elif name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
            state[name] = (0.5 + torch.rand(shape, generator=rng)).half().float()
        else:
            gain = (2 / torch.Size(shape[1:]).numel()) ** 0.5 if len(shape) == 4 else 0.2
            state[name] = (gain * torch.randn(shape, generator=rng)).half().float()
    return state


def with_statistics(state: State, architecture: GeneratorName, dropout: bool, *, counted: bool) -> State:
    """As instance norms were stored before PyTorch 0.4, or with the counter that 0.4.1 brought."""
    width = next(iter(state.values())).shape[0]
    statistics = {
        f"{name}.{each}": torch.tensor(9) if each == "num_batches_tracked" else torch.full((width,), 0.3)
        for name in norm_names(architecture, dropout)
        for each in STATISTICS[: 3 if counted else 2]
    }
    return OrderedDict(state | statistics)


class Translating(Functional):
    """The tables as the reference translates at test time with the statistics of the image, dropout off."""

    def __init__(self, state: State, norm: Norm, *, dropout: bool) -> None:
        super().__init__(
            {name: tensor.double() for name, tensor in state.items()}, training=norm == "batch", dropout=dropout
        )
        self.has_norm = norm != "none"

    def norm(self, x: Tensor, name: str) -> Tensor:
        return super().norm(x, name) if self.has_norm else x

    def dropout(self, x: Tensor) -> Tensor:
        return x


def saved(path: Path, state: object, **options: Any) -> Path:
    torch.save(state, path, **options)
    return path


def exported(run: Run, out: Path) -> dict[str, State]:
    export_reference(run, out)
    return {path.name: torch.load(path, weights_only=True) for path in out.iterdir()}


def assert_same(state: State, expected: State) -> None:
    assert list(state) == list(expected)
    for name, tensor in expected.items():
        assert state[name].dtype == tensor.dtype, name
        assert torch.equal(state[name], tensor), name


@pytest.fixture
def resnet(tmp_path: Path) -> Path:
    return saved(tmp_path / "latest_net_G_A.pth", reference_weights("resnet_6blocks", "instance"))


@pytest.fixture
def unet(tmp_path: Path) -> Path:
    return saved(tmp_path / "latest_net_G.pth", reference_weights("unet_128", "batch"))


@ARCHITECTURES
@NORMS
@DROPOUT
def test_every_network_is_recognised_computes_the_same_and_comes_back(
    architecture: GeneratorName, norm: Norm, dropout: bool, tmp_path: Path
) -> None:
    state = reference_weights(architecture, norm, dropout)
    path = saved(tmp_path / "latest_net_G.pth", state)
    run = import_reference([path], tmp_path / "run", dropout=dropout)
    assert Run.open(tmp_path / "run") == run
    assert run.config.generator == GeneratorConfig(architecture, width=2, norm=norm, dropout=dropout)
    x = images(1, max(32, SMALLEST[architecture]))
    output = for_translation(run.load_generator(200, "ab"), dtype=torch.float64)(x)
    assert output.std() > 0.05, "the outputs are too flat for the comparison to mean much"
    expected = Translating(state, norm, dropout=dropout).generator(x, architecture)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-9)
    files = exported(run, tmp_path / "out")
    assert {name.removesuffix(".pth").partition("_net_")[0] for name in files} == {"200", "latest"}
    for content in files.values():
        assert type(content) is OrderedDict
        assert_same(content, state)


@pytest.mark.parametrize("architecture", ["resnet_6blocks", "unet_128"])
@DROPOUT
@pytest.mark.parametrize("counted", [False, True])
def test_statistics_of_instance_norms_are_dropped(
    architecture: GeneratorName, dropout: bool, counted: bool, tmp_path: Path
) -> None:
    state = reference_weights(architecture, "instance", dropout)
    path = saved(tmp_path / "3_net_G.pth", with_statistics(state, architecture, dropout, counted=counted))
    run = import_reference([path], tmp_path / "run", dropout=dropout)
    assert (run.config.generator.norm, run.config.generator.dropout) == ("instance", dropout)
    assert_same(next(iter(exported(run, tmp_path / "out").values())), state)


@pytest.mark.parametrize(
    ("name", "method", "expected"),
    [
        ("latest_net_G.pth", "auto", True),
        ("latest_net_G_A.pth", "auto", False),
        ("latest_net_G.pth", "cyclegan", False),
        ("latest_net_G_A.pth", "pix2pix", True),
    ],
)
def test_a_unet_has_the_dropout_that_its_method_trains_with(
    name: str, method: Literal["auto", "cyclegan", "pix2pix"], expected: bool, tmp_path: Path
) -> None:
    path = saved(tmp_path / name, reference_weights("unet_128", "batch"))
    assert import_reference([path], tmp_path / "run", method=method).config.generator.dropout == expected


def test_batch_norms_without_a_counter_start_at_0(tmp_path: Path) -> None:
    """PyTorch has had it since 0.4.1; published weights are older."""
    state = reference_weights("unet_128", "batch")
    old = OrderedDict((name, tensor) for name, tensor in state.items() if not name.endswith("num_batches_tracked"))
    run = import_reference([saved(tmp_path / "facades_label2photo.pth", old)], tmp_path / "run")
    for name, tensor in run.load_generator(200, "ab").state_dict().items():
        assert torch.equal(tensor, state[name] if name in old else torch.tensor(0)), name


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("change", ["module.", "legacy file", "half", "double", "parameters", "plain dict"])
def test_other_ways_to_store_the_same_weights_make_the_same_run(norm: Norm, change: str, tmp_path: Path) -> None:
    state = reference_weights("resnet_6blocks", norm)
    stored: dict[str, Any] = OrderedDict(state)
    if change == "module.":
        stored = OrderedDict((f"module.{name}", tensor) for name, tensor in state.items())
    elif change in ("half", "double", "parameters"):
        convert: dict[str, Callable[[Tensor], Tensor]] = {
            "half": Tensor.half,
            "double": Tensor.double,
            "parameters": torch.nn.Parameter,
        }
        stored = OrderedDict((name, convert[change](each) if each.ndim else each) for name, each in state.items())
    elif change == "plain dict":
        stored = dict(reversed(state.items()))
    legacy = {"_use_new_zipfile_serialization": False} if change == "legacy file" else {}
    run = import_reference([saved(tmp_path / "latest_net_G_B.pth", stored, **legacy)], tmp_path / "run")
    files = exported(run, tmp_path / "out")
    assert sorted(files) == ["200_net_G_B.pth", "latest_net_G_B.pth"]
    assert_same(files["latest_net_G_B.pth"], state)


def test_other_values_are_rounded_to_half_precision(tmp_path: Path) -> None:
    state = reference_weights("resnet_6blocks", "instance")
    state["model.1.weight"] = state["model.1.weight"] + 1e-5
    run = import_reference([saved(tmp_path / "latest_net_G_A.pth", state)], tmp_path / "run")
    rounded = exported(run, tmp_path / "out")["latest_net_G_A.pth"]
    assert_same(rounded, OrderedDict((name, tensor.half().float()) for name, tensor in state.items()))


def test_two_generators_of_a_cyclegan_make_one_run(tmp_path: Path) -> None:
    states = {name: reference_weights("resnet_6blocks", "instance", seed=ord(name[-1])) for name in ("G_A", "G_B")}
    files = [saved(tmp_path / f"5_net_{name}.pth", state) for name, state in states.items()]
    run = import_reference(files[::-1], tmp_path / "run", domains=("horse", "zebra"))
    assert (run.method, run.directions, run.epochs) == ("cyclegan", ("ab", "ba"), (5,))
    assert "only" not in json.loads((run.folder / "run.json").read_text())
    content = exported(run, tmp_path / "out")
    assert sorted(content) == [f"{tag}_net_{name}.pth" for tag in ("5", "latest") for name in ("G_A", "G_B")]
    for name, state in states.items():
        assert_same(content[f"5_net_{name}.pth"], state)


@pytest.mark.parametrize(("direction", "first", "second"), [("ab", "horse2zebra", "zebra2horse"), ("ba", "x", "y")])
def test_files_whose_names_say_nothing_are_taken_in_order(
    direction: Any, first: str, second: str, tmp_path: Path
) -> None:
    states = [reference_weights("resnet_6blocks", "instance", seed=seed) for seed in (1, 2)]
    names = (f"{first}.pth", f"{second}.pth")
    files = [saved(tmp_path / name, state) for name, state in zip(names, states, strict=True)]
    run = import_reference(files, tmp_path / "run", direction=direction)
    networks = [run.load_generator(200, each) for each in (direction, direction[::-1])]
    for network, state in zip(networks, states, strict=True):
        assert torch.equal(network.state_dict()["model.1.weight"], state["model.1.weight"])


@pytest.mark.parametrize(
    ("name", "options", "method", "direction", "epoch"),
    [
        ("latest_net_G_A.pth", {}, "cyclegan", "ab", 200),
        ("latest_net_G_A.pth", {"direction": "ba"}, "cyclegan", "ab", 200),
        ("15_net_G_B.pth", {}, "cyclegan", "ba", 15),
        ("15_net_G_B.pth", {"epoch": 16}, "cyclegan", "ba", 16),
        ("iter_5000_net_G_A.pth", {"epoch": 12000}, "cyclegan", "ab", 12000),
        ("latest_net_G.pth", {}, "cyclegan", "ab", 200),
        ("monet2photo.pth", {"direction": "ba"}, "cyclegan", "ba", 200),
        ("latest_net_G.pth", {"method": "pix2pix"}, "pix2pix", "ab", 200),
        ("7_net_G.pth", {"method": "pix2pix", "direction": "ba"}, "pix2pix", "ba", 7),
    ],
)
def test_what_a_name_says_is_believed(
    name: str, options: dict[str, Any], method: str, direction: str, epoch: int, resnet: Path, tmp_path: Path
) -> None:
    run = import_reference([resnet.rename(tmp_path / name)], tmp_path / "run", **options)
    assert (run.method, run.directions, run.epochs) == (method, (direction,), (epoch,))
    assert isinstance(run.config, CycleGANConfig if method == "cyclegan" else Pix2PixConfig)
    assert run.only == (direction if method == "cyclegan" else None)
    assert (run.history(), run.sample_epochs, dict(run.samples), run.revision) == ([], (), {}, None)


def test_a_unet_is_of_pix2pix_unless_its_name_says_otherwise(unet: Path, tmp_path: Path) -> None:
    assert import_reference([unet], tmp_path / "G").method == "pix2pix"
    assert import_reference([unet.rename(tmp_path / "latest_net_G_A.pth")], tmp_path / "G_A").method == "cyclegan"


def test_a_converted_run_translates_packs_and_shows_in_the_app(unet: Path, resnet: Path, tmp_path: Path) -> None:
    pix2pix = import_reference([unet], tmp_path / "pix2pix", domains=("labels", "photo"))
    cyclegan = import_reference([resnet], tmp_path / "cyclegan", domains=("labels", "photo"))
    packed = compress(cyclegan, tmp_path / "packed", storage="int8")
    assert packed.directions == ("ab",)
    for run in (pix2pix, cyclegan, packed):
        translator = Translator.load(run.folder, precision="fp32")
        assert translator.targets == ("photo",)
        picture = translator.translate(draw_facade(1), to="photo")
        assert picture.size == (256, 256)
        assert np.asarray(picture).std() > 5
    models = Models.load([pix2pix.folder, cyclegan.folder])
    assert models.routes == (Route("labels", "photo"),)
    assert [model.title for model in models.models] == ["pix2pix", "CycleGAN"]


def test_trained_runs_come_back_as_the_references_files(weights: Path, tmp_path: Path) -> None:
    for method, names in (("cyclegan", ["G_A", "G_B"]), ("pix2pix", ["G"])):
        source = Run.open(weights / f"facades-{method}")
        out = tmp_path / method
        assert main([str(source.folder), str(out), "--export-reference", "--epoch", "1"]) == 0
        assert sorted(path.name for path in out.iterdir()) == sorted(
            f"{tag}_net_{name}.pth" for tag in ("1", "latest") for name in names
        )
        config = source.config.generator
        for name, direction in zip(names, source.directions, strict=True):
            state = torch.load(out / f"latest_net_{name}.pth", weights_only=True)
            expected = reference_shapes(config.architecture, config.norm, config.dropout, config.width)
            assert {key: tuple(tensor.shape) for key, tensor in state.items()} == expected
            assert_same(state, OrderedDict(source.load_generator(1, direction).state_dict()))


def test_the_last_epoch_is_exported_unless_told(weights: Path, tmp_path: Path) -> None:
    export_reference(Run.open(weights / "facades-pix2pix"), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["5_net_G.pth", "latest_net_G.pth"]


def changed(change: Callable[[State], object], *, unet: bool = False) -> State:
    state = reference_weights("unet_128", "batch") if unet else reference_weights("resnet_6blocks", "instance")
    change(state)
    return state


def set_to(name: str, value: object) -> Callable[[Any], None]:
    return lambda state: state.__setitem__(name, value)


DEEPEST = "model.model.1.model" + ".3.model" * 5


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (changed(lambda state: state.pop("model.4.bias")), r"lacks 1 tensors .*resnet_6blocks.* model\.4\.bias"),
        (changed(set_to("model.4.scale", torch.zeros(1))), r"has 1 tensors that .* does not know: model\.4\.scale"),
        (changed(set_to("module.model.4.bias", torch.zeros(4))), r"does not know: module\.model\.4\.bias"),
        (changed(set_to("model.4.bias", torch.zeros(5))), r"model\.4\.bias has shape \[5\], .* says \[4\]"),
        (changed(set_to("model.4.bias", torch.zeros(4, dtype=torch.int64))), r"model\.4\.bias has torch\.int64"),
        (changed(set_to("model.4.bias", torch.full((4,), 65_530.0))), r"model\.4\.bias holds .* 65504"),
        (changed(set_to("model.4.bias", torch.full((4,), float("nan")))), r"model\.4\.bias holds .* not finite"),
        (changed(set_to("model.4.bias", [0.0])), r"'model\.4\.bias' is no plain tensor \(list\)"),
        (changed(set_to("model.4.bias", torch.zeros(4, device="meta"))), r"'model\.4\.bias' is no plain tensor"),
        (changed(set_to("model.4.bias", torch.zeros(4).to_sparse())), r"'model\.4\.bias' is no plain tensor"),
        (changed(set_to("model.1.weight", torch.zeros(2))), r"model\.1\.weight has shape \[2\]; .* 4 dimensions"),
        (changed(set_to("model.1.weight", torch.zeros(2, 5, 7, 7))), r"in_channels is 5"),
        (changed(set_to("nothing", torch.zeros(1))), "does not know: nothing"),
        (changed(set_to("model.²3.bias", torch.zeros(1))), "does not know: model.²3.bias"),
        (changed(set_to("model.23.weight", torch.zeros(()))), "out_channels is 0"),
        (changed(set_to("model.model.3.weight", torch.zeros(1)), unet=True), "out_channels is 0"),
        (changed(set_to("model.1.weight", torch.zeros(300, 3, 7, 7))), "width is 300; it must be 1 to 256"),
        (changed(set_to("model.16.conv_block.1.weight", torch.zeros(1))), "has 7 blocks; this program knows .*6"),
        (changed(set_to("model.2.running_max", torch.zeros(2))), r"does not know: model\.2\.running_max"),
        (changed(set_to("model.2.weight", torch.ones(2))), r"lacks .*norm batch .*model\.10\.conv_block\.2\."),
        (changed(lambda state: state.pop("model.model.3.bias"), unet=True), r"lacks 1 .* model\.model\.3\.bias"),
        (changed(set_to(f"{DEEPEST}.3.model.3.model.1.weight", torch.zeros(1)), unet=True), "has 9 levels; .*8.*7"),
        (OrderedDict([("model.0.weight", torch.zeros(64, 3, 4, 4))]), r"no generator .* begins with model\.0\.weight"),
        ({"state_dict": reference_weights("resnet_6blocks", "instance"), "epoch": 3}, "'state_dict' is no plain"),
        ({1: torch.zeros(1)}, "1 is no plain tensor"),
        ([torch.zeros(1)], "holds no names and tensors"),
        (torch.zeros(1), "holds no names and tensors"),
        ({}, "holds no names and tensors"),
    ],
)
@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
def test_what_is_no_such_generator_is_refused_by_key(content: object, reason: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "latest_net_G.pth", content)
    with pytest.raises(WeightsError, match=reason) as caught:
        import_reference([path], tmp_path / "run")
    assert str(path) in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


def test_without_a_norm_the_last_bias_is_still_asked_for(tmp_path: Path) -> None:
    state = reference_weights("resnet_6blocks", "none")
    del state["model.23.bias"]
    with pytest.raises(WeightsError, match=r"lacks 1 tensors .* model\.23\.bias"):
        import_reference([saved(tmp_path / "latest_net_G.pth", state)], tmp_path / "run")


class Code:
    """What a pickle can hold besides weights: a call."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [False, True])
def test_code_in_a_file_is_named_and_not_run(zipped: bool, tmp_path: Path) -> None:
    content = {"model.1.weight": Code(tmp_path / "ran")}
    path = saved(tmp_path / "latest_net_G.pth", content, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"latest_net_G\.pth holds \w+\.mkdir, and code is not run here"):
        import_reference([path], tmp_path / "run")
    assert not (tmp_path / "ran").exists()


def tuples_of_tuples(depth: int) -> bytes:
    """A pickle of a dictionary whose key takes 2 ** depth steps to hash."""
    doubled = b"".join(b"h%ch%c\x86q%c" % (number, number, number + 1) for number in range(depth))
    return b"\x80\x02}(K\x01\x85q\x00" + doubled + b"tK\x01s."


@pytest.mark.parametrize("zipped", [False, True])
def test_a_small_file_cannot_take_all_memory_or_time(zipped: bool, tmp_path: Path) -> None:
    """Each would be opened by `weights_only`, were it smaller."""
    path = tmp_path / "latest_net_G.pth"
    many = torch.zeros(1, dtype=torch.float16).expand(10**12)
    saved(path, {"model.1.weight": many}, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"latest_net_G\.pth tells of more weights than it holds"):
        import_reference([path], tmp_path / "run")
    content = tuples_of_tuples(60)
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/DATA.pkl", content)
    else:
        path.write_bytes(b"".join(map(pickle.dumps, (0x1950A86A20F9469CFC6C, 1001, {}))) + content)
    with pytest.raises(WeightsError, match=r"latest_net_G\.pth holds one value in several places"):
        import_reference([path], tmp_path / "run")
    path.write_bytes(pickle.dumps([0] * 2**20, 2))
    with pytest.raises(WeightsError, match=r"describes its weights in more than 1,048,576 bytes"):
        import_reference([path], tmp_path / "run")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(2**20))
    with pytest.raises(WeightsError, match=r"latest_net_G\.pth unpacks to more than it holds"):
        import_reference([path], tmp_path / "run")


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99, "text", "picture"])
def test_a_damaged_or_foreign_file_is_refused(zipped: bool, kept: float | str, unet: Path, tmp_path: Path) -> None:
    state = torch.load(unet, weights_only=True)
    content = saved(unet, state, _use_new_zipfile_serialization=zipped).read_bytes()
    if kept == "picture":
        draw_facade(1).save(unet, "PNG")
    else:
        unet.write_bytes(content[: int(kept * len(content))] if isinstance(kept, float) else b"weights\n")
    with pytest.raises(WeightsError, match=r"latest_net_G\.pth is damaged, cut short, or no file of PyTorch weights"):
        import_reference([unet], tmp_path / "run")


def test_contradictions_are_refused(resnet: Path, unet: Path, tmp_path: Path) -> None:
    state = torch.load(resnet, weights_only=True)
    fifth = saved(tmp_path / "5_net_G_B.pth", state)
    sixth = saved(tmp_path / "6_net_G_A.pth", state)
    cases: list[tuple[list[Path], dict[str, Any], str]] = [
        ([resnet, sixth], {}, "latest_net_G_A.pth and .*6_net_G_A.pth both translate ab"),
        ([resnet, unet, fifth], {}, "both translate"),
        ([fifth, sixth], {}, r"epochs \[5, 6\]; give two of one epoch, or say which with --epoch"),
        ([resnet, unet], {}, "latest_net_G_A.pth is a resnet_6blocks .*latest_net_G.pth is a unet_128"),
        ([resnet, fifth], {"method": "pix2pix"}, "pix2pix has one generator, and 2 files are given"),
        ([resnet], {"epoch": 0}, "epoch is 0; epochs count from 1"),
        ([resnet], {"domains": ("a", "a")}, "both domains are called 'a'"),
    ]
    for files, options, reason in cases:
        with pytest.raises(ConfigError, match=reason):
            import_reference(files, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_folder_in_use_is_refused_and_an_empty_one_is_not(resnet: Path, tmp_path: Path) -> None:
    run = import_reference([resnet], tmp_path / "run")
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    for out in ("run", "file"):
        with pytest.raises(RunError, match=f"{out} is there already; choose another folder"):
            import_reference([resnet], tmp_path / out)
        with pytest.raises(RunError, match=f"{out} is there already; choose another folder"):
            export_reference(run, tmp_path / out)
    assert import_reference([resnet], tmp_path / "empty").epochs == (200,)


def test_what_the_reference_cannot_load_is_not_exported(tmp_path: Path) -> None:
    config = GeneratorConfig("resnet_6blocks", width=2, norm="none")
    run = Run(tmp_path / "run", "cyclegan", Domains("a", "b"), CycleGANConfig(dataset="x", generator=config), {})
    run.folder.mkdir()
    run = replace(run, only="ab")
    run.write()
    network = build_generator(config)
    initialize(network, 0.02)
    run.save_snapshot(1, {"ab": network})
    assert list(exported(run, tmp_path / "zeros")["latest_net_G_A.pth"])[:2] == ["model.1.weight", "model.4.weight"]
    network.state_dict()["model.4.bias"].fill_(1)
    run.save_snapshot(1, {"ab": network})
    with pytest.raises(WeightsError, match=r"model\.4\.bias is not 0, but the reference has no biases without a norm"):
        export_reference(run, tmp_path / "ones")
    assert not (tmp_path / "ones").exists()


def test_a_generator_that_tells_classes_is_not_exported(tmp_path: Path) -> None:
    generator = GeneratorConfig("unet_128", width=2, norm="batch", classes="facades")
    config = Pix2PixConfig(dataset="x", direction="ab", lambda_palette=1, generator=generator, crop_size=128)
    run = make_run(tmp_path / "run", config, epochs=(1,), sample_epochs=0)
    with pytest.raises(WeightsError, match="makes label maps of the classes of facades; the reference has no such"):
        export_reference(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nowhere.pth", "run"], "nowhere.pth is not there; name a file"),
        (["folder", "run"], "folder is a folder; name a file in it, or convert a run with --export-reference"),
        (["text.pth", "run"], "text.pth is damaged"),
        (["latest_net_G.pth"], "too few paths; name what to convert, then the folder to make"),
        (["folder", "run", "--export-reference"], "folder is not a run"),
        (["a", "b", "run", "--export-reference"], "2 runs are given; --export-reference takes one"),
        (["trained", "run", "--export-reference", "--epoch", "4"], "has no epoch 4; it has 1, 3, 5"),
    ],
)
def test_mistakes_take_one_line_and_leave_nothing(
    arguments: list[str],
    reason: str,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("text.pth").write_text("hello\n")  # whose h asks a pickle for a value it has not named
    arguments = [str(weights / "facades-cyclegan") if each == "trained" else each for each in arguments]
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert reason in told
    assert told.startswith("cyclegan.runs.convert: ")
    assert told.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "text.pth"]


def test_the_command_goes_there_and_back(tmp_path: Path) -> None:
    states = {name: reference_weights("resnet_6blocks", "instance", seed=ord(name[-1])) for name in ("G_A", "G_B")}
    files = [str(saved(tmp_path / f"latest_net_{name}.pth", state)) for name, state in states.items()]
    told = []
    for arguments in (
        [*files, str(tmp_path / "run"), "--domains", "horse", "zebra", "--epoch", "60"],
        [str(tmp_path / "run"), str(tmp_path / "out"), "--export-reference"],
    ):
        command = [sys.executable, "-m", "cyclegan.runs.convert", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
        told.append(done.stderr.removeprefix(f"{tmp_path}/"))
    network = "resnet_6blocks of width 2 and norm instance"
    assert told == [
        f"run: cyclegan, {network}, epoch 60, horse -> zebra and zebra -> horse\n",
        "out: 60_net_G_A.pth, 60_net_G_B.pth, latest_net_G_A.pth, latest_net_G_B.pth\n",
    ]
    for name, state in states.items():
        assert_same(torch.load(tmp_path / "out" / f"60_net_{name}.pth", weights_only=True), state)


@pytest.mark.parametrize("given", [("G_A", "G_B"), ("G_B",)])
def test_generators_of_domains_of_unequal_channels_come_back(given: tuple[str, ...], tmp_path: Path) -> None:
    for name, (source, target) in (("G_A", (1, 3)), ("G_B", (3, 1))):
        config = GeneratorConfig("resnet_6blocks", 2, in_channels=source, out_channels=target)
        saved(tmp_path / f"latest_net_{name}.pth", build_generator(config).state_dict())
    files = [tmp_path / f"latest_net_{name}.pth" for name in given]
    run = import_reference(files, tmp_path / "run", domains=("grey", "photo"))
    for direction in run.directions:
        run.load_generator(run.epochs[-1], direction)
    picture = Translator.load(tmp_path / "run").translate(Image.new("RGB", (64, 64), (90, 20, 30)), to="grey")
    assert picture.size == (64, 64)


def test_weights_of_colorization_make_a_colorizing_run(tmp_path: Path) -> None:
    config = GeneratorConfig("unet_128", 2, "batch", dropout=True, in_channels=1, out_channels=2)
    file = saved(tmp_path / "latest_net_G.pth", build_generator(config).state_dict())
    run = import_reference([file], tmp_path / "run", domains=("grey", "colour"))
    assert run.config.dataset_mode == "colorization"
    picture = Translator.load(tmp_path / "run").translate(Image.new("RGB", (128, 128), "teal"), to="colour")
    assert picture.size == (128, 128)
