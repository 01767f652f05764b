"""Weights of the reference: every layout becomes a run and comes back, and whatever else is refused by name.

None of its files is here: `test_networks` shows that its keys and shapes are those of our networks.
"""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from cyclegan.config import ConfigError, CycleGANConfig, GeneratorConfig, GeneratorName, Norm, Pix2PixConfig
from cyclegan.facades.labels import draw_facade
from cyclegan.networks.build import build_generator
from cyclegan.networks.layers import InstanceNorm
from cyclegan.networks.storage import WeightsError
from cyclegan.pages.models import Models, Route
from cyclegan.runs.compress import compress
from cyclegan.runs.convert import export_reference, import_reference, main
from cyclegan.runs.run import Run, RunError
from cyclegan.translate.translator import Translator
from tests.conftest import TINY_CYCLEGAN, make_run
from tests.networks.test_networks import ARCHITECTURES, DROPOUT, State, randomize

NORMS = pytest.mark.parametrize("norm", ["instance", "batch", "none"])


def reference_weights(
    architecture: GeneratorName, norm: Norm, dropout: bool = False, *, seed: int = 0
) -> OrderedDict[str, Tensor]:
    """A state dict as the reference saves it, of values that half precision holds exactly. Without a norm it has the
    biases of batch norm's convolutions, none but the last."""
    network = build_generator(GeneratorConfig(architecture, 2, norm, dropout))
    randomize(network, seed)
    state = OrderedDict(
        (name, each.half().float() if each.ndim else each + 9) for name, each in network.state_dict().items()
    )
    last = list(state)[-1]
    return OrderedDict((name, each) for name, each in state.items() if norm != "none" or each.ndim == 4 or name == last)


def with_statistics(state: State, config: GeneratorConfig, *, counted: bool) -> State:
    """As instance norms were stored before PyTorch 0.4, or with the counter that 0.4.1 brought."""
    norms = [name for name, each in build_generator(config).named_modules() if isinstance(each, InstanceNorm)]
    names = [f"{norm}.{each}" for norm in norms for each in ("running_mean", "running_var")]
    counts = {f"{norm}.num_batches_tracked": torch.tensor(9) for norm in norms if counted}
    return OrderedDict(state | {name: torch.full((config.width,), 0.3) for name in names} | counts)


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
def test_every_network_is_recognised_and_comes_back(
    architecture: GeneratorName, norm: Norm, dropout: bool, tmp_path: Path
) -> None:
    state = reference_weights(architecture, norm, dropout)
    path = saved(tmp_path / "latest_net_G.pth", state)
    run = import_reference([path], tmp_path / "run", dropout=dropout)
    assert Run.open(tmp_path / "run") == run
    assert run.config.generator == GeneratorConfig(architecture, width=2, norm=norm, dropout=dropout)
    files = exported(run, tmp_path / "out")
    assert sorted(name.partition("_net_")[0] for name in files) == ["200", "latest"]
    for content in files.values():
        assert type(content) is OrderedDict
        assert_same(content, state)


@pytest.mark.parametrize(
    ("architecture", "dropout", "counted"), [("resnet_6blocks", True, False), ("unet_128", False, True)]
)
def test_statistics_of_instance_norms_are_dropped(
    architecture: GeneratorName, dropout: bool, counted: bool, tmp_path: Path
) -> None:
    state, config = (
        reference_weights(architecture, "instance", dropout),
        GeneratorConfig(architecture, 2, dropout=dropout),
    )
    path = saved(tmp_path / "3_net_G.pth", with_statistics(state, config, counted=counted))
    run = import_reference([path], tmp_path / "run", dropout=dropout)
    assert run.config.generator == config
    assert_same(next(iter(exported(run, tmp_path / "out").values())), state)


@pytest.mark.parametrize(
    ("name", "method", "expected", "dropout"),
    [
        ("latest_net_G.pth", "auto", "pix2pix", True),
        ("latest_net_G_A.pth", "auto", "cyclegan", False),
        ("latest_net_G.pth", "cyclegan", "cyclegan", False),
        ("latest_net_G_A.pth", "pix2pix", "pix2pix", True),
    ],
)
def test_a_unet_is_of_pix2pix_and_has_its_dropout_unless_its_name_says_otherwise(
    name: str, method: Any, expected: str, dropout: bool, unet: Path, tmp_path: Path
) -> None:
    run = import_reference([unet.rename(tmp_path / name)], tmp_path / "run", method=method)
    assert (run.method, run.config.generator.dropout) == (expected, dropout)


CONVERTED: dict[str, Callable[[Tensor], Tensor]] = {
    "half": Tensor.half,
    "double": Tensor.double,
    "parameters": torch.nn.Parameter,
}


@pytest.mark.parametrize("change", ["module.", "legacy file", "plain dict", "no counter", *CONVERTED])
def test_other_ways_to_store_the_same_weights_make_the_same_run(change: str, tmp_path: Path) -> None:
    state = reference_weights("resnet_6blocks", "batch")
    stored: dict[str, Any] = OrderedDict(state)
    if change == "module.":
        stored = OrderedDict((f"module.{name}", tensor) for name, tensor in state.items())
    elif change == "plain dict":
        stored = dict(reversed(state.items()))
    elif change == "no counter":  # as before PyTorch 0.4.1
        state |= {name: torch.tensor(0) for name in state if name.endswith("num_batches_tracked")}
        stored = OrderedDict((name, each) for name, each in state.items() if each.ndim)
    elif change in CONVERTED:
        stored = OrderedDict((name, CONVERTED[change](each) if each.ndim else each) for name, each in state.items())
    legacy = {"_use_new_zipfile_serialization": False} if change == "legacy file" else {}
    run = import_reference([saved(tmp_path / "latest_net_G_B.pth", stored, **legacy)], tmp_path / "run")
    files = exported(run, tmp_path / "out")
    assert sorted(files) == ["200_net_G_B.pth", "latest_net_G_B.pth"]
    assert_same(files["latest_net_G_B.pth"], state)


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
        ("latest_net_G_A.pth", {"direction": "ba"}, "cyclegan", "ab", 200),
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


def test_a_converted_run_is_compressed_and_shows_in_the_app(unet: Path, resnet: Path, tmp_path: Path) -> None:
    pix2pix = import_reference([unet], tmp_path / "pix2pix", domains=("labels", "photo"))
    cyclegan = import_reference([resnet], tmp_path / "cyclegan", domains=("labels", "photo"))
    packed = compress(cyclegan, tmp_path / "packed", storage="int8")
    models = Models.load([pix2pix.folder, packed.folder])
    assert models.routes == (Route("labels", "photo"),)
    assert [model.title for model in models.models] == ["pix2pix", "CycleGAN"]
    for model in models.models:
        assert np.asarray(model.translator.translate(draw_facade(1), to="photo")).std() > 5


@pytest.mark.parametrize(
    ("method", "options", "epoch", "names"),
    [("cyclegan", ["--epoch", "1"], 1, ["G_A", "G_B"]), ("pix2pix", [], 5, ["G"])],
)
def test_trained_runs_come_back_as_the_references_files(
    method: str, options: list[str], epoch: int, names: list[str], weights: Path, tmp_path: Path
) -> None:
    source, out = Run.open(weights / f"facades-{method}"), tmp_path / "out"
    assert main([str(source.folder), str(out), "--export-reference", *options]) == 0
    assert {path.name for path in out.iterdir()} == {
        f"{tag}_net_{name}.pth" for tag in (epoch, "latest") for name in names
    }
    for name, direction in zip(names, source.directions, strict=True):
        state = torch.load(out / f"latest_net_{name}.pth", weights_only=True)
        assert_same(state, OrderedDict(source.load_generator(epoch, direction).state_dict()))


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
        (changed(set_to("model.4.bias", torch.zeros(5))), r"model\.4\.bias has shape \[5\], .* says \[4\]"),
        (changed(set_to("model.4.bias", torch.zeros(4, dtype=torch.int64))), r"model\.4\.bias has torch\.int64"),
        (changed(set_to("model.4.bias", torch.full((4,), 65_530.0))), r"model\.4\.bias holds .* 65504"),
        (changed(set_to("model.4.bias", [0.0])), r"'model\.4\.bias' is no plain tensor \(list\)"),
        (changed(set_to("model.4.bias", torch.zeros(4).to_sparse())), r"'model\.4\.bias' is no plain tensor"),
        (changed(set_to("model.1.weight", torch.zeros(2))), r"model\.1\.weight has shape \[2\]; .* 4 dimensions"),
        (changed(set_to("model.1.weight", torch.zeros(2, 5, 7, 7))), r"in_channels is 5"),
        (changed(set_to("model.²3.bias", torch.zeros(1))), "does not know: model.²3.bias"),
        (changed(set_to("model.23.weight", torch.zeros(()))), "out_channels is 0"),
        (changed(lambda state: state.pop("model.23.weight")), r"lacks model\.23\.weight, the last layer"),
        (changed(set_to("model.model.3.weight", torch.zeros(1)), unet=True), "out_channels is 0"),
        (changed(set_to("model.1.weight", torch.zeros(300, 3, 7, 7))), "width is 300; it must be 1 to 256"),
        (changed(set_to("model.16.conv_block.1.weight", torch.zeros(1))), "has 7 blocks; this program knows .*6"),
        (changed(set_to("model.2.weight", torch.ones(2))), r"lacks .*norm batch .*model\.10\.conv_block\.2\."),
        (changed(set_to(f"{DEEPEST}.3.model.3.model.1.weight", torch.zeros(1)), unet=True), "has 9 levels; .*8.*7"),
        (
            OrderedDict(list(reference_weights("resnet_6blocks", "none").items())[:-1]),
            r"lacks 1 tensors .* model\.23\.bias",  # the only one that is there without a norm
        ),
        (OrderedDict([("model.0.weight", torch.zeros(64, 3, 4, 4))]), r"no generator .* begins with model\.0\.weight"),
        ({"state_dict": reference_weights("resnet_6blocks", "instance"), "epoch": 3}, "'state_dict' is no plain"),
        ([torch.zeros(1)], "holds no names and tensors"),
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
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_damaged_file_is_refused(zipped: bool, kept: float, unet: Path, tmp_path: Path) -> None:
    state = torch.load(unet, weights_only=True)
    content = saved(unet, state, _use_new_zipfile_serialization=zipped).read_bytes()
    unet.write_bytes(content[: int(kept * len(content))])
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
        ([saved(tmp_path / "iter_12000_net_G_A.pth", {})], {}, "names an iteration and no epoch; .* with --epoch"),
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
    pix2pix = Pix2PixConfig(dataset="x", direction="ab", generator=config)
    run = make_run(tmp_path / "biases", pix2pix, epochs=(1,), sample_epochs=0)
    network = run.load_generator(1, "ab")
    network.state_dict()["model.4.bias"].fill_(1)
    run.save_snapshot(1, {"ab": network})
    told = replace(config, norm="instance", classes="facades")
    labels = make_run(tmp_path / "labels", replace(pix2pix, generator=told), epochs=(1,), sample_epochs=0)
    for each, reason in (
        (run, r"model\.4\.bias is not 0, but the reference has no biases without a norm"),
        (labels, "makes label maps of the classes of facades; the reference has no such"),
    ):
        with pytest.raises(WeightsError, match=reason):
            export_reference(each, tmp_path / "out")
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


def test_two_generators_of_a_cyclegan_make_one_run_and_come_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    states = {name: reference_weights("resnet_6blocks", "instance", seed=ord(name[-1])) for name in ("G_B", "G_A")}
    files = [str(saved(tmp_path / f"5_net_{name}.pth", state)) for name, state in states.items()]
    run, out = tmp_path / "run", tmp_path / "out"
    assert main([*files, str(run), "--domains", "horse", "zebra"]) == 0
    network = "resnet_6blocks of width 2 and norm instance"
    routes = "horse -> zebra and zebra -> horse; stored in fp16"
    assert capsys.readouterr().err == f"{run}: cyclegan, {network}, epoch 5, {routes}\n"
    assert "only" not in json.loads((run / "run.json").read_text())
    assert main([str(run), str(out), "--export-reference"]) == 0
    names = sorted(f"{tag}_net_{name}.pth" for tag in ("5", "latest") for name in states)
    assert capsys.readouterr().err == f"{out}: {', '.join(names)}\n"
    for name, state in states.items():
        assert_same(torch.load(out / f"5_net_{name}.pth", weights_only=True), state)


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


def test_weights_can_be_kept_exactly_as_they_are(tmp_path: Path) -> None:
    state = reference_weights("resnet_6blocks", "instance")
    path = saved(tmp_path / "latest_net_G.pth", state)
    run = import_reference([path], tmp_path / "run", storage="fp32")
    kept = run.load_generator(200, "ab").state_dict()
    assert all(torch.equal(kept[name], value) for name, value in state.items() if name in kept)


def test_a_resize_decoder_is_not_exported(tmp_path: Path) -> None:
    config = CycleGANConfig(dataset="x", generator=replace(TINY_CYCLEGAN, upsample="resize"))
    run = make_run(tmp_path / "run", config, epochs=(1,), sample_epochs=1)
    with pytest.raises(WeightsError, match="upsamples by resize-convolution; the reference has no such layer"):
        export_reference(run, tmp_path / "out")
