"""ResNets by OpenVINO: the pictures that PyTorch gives, and only where it is the faster one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cyclegan.config import GeneratorConfig
from cyclegan.facades.labels import draw_facade
from cyclegan.networks.build import build_generator, for_translation
from cyclegan.runtime import devices
from cyclegan.runtime.devices import GAIN_NEEDED
from cyclegan.translate import openvino
from cyclegan.translate.openvino import BACKEND, OpenVinoGenerator, explain_backend, is_faster
from cyclegan.translate.translator import Translator

pytest.importorskip("openvino")


@pytest.mark.parametrize(
    "config",
    [
        GeneratorConfig("resnet_6blocks", 8),
        GeneratorConfig("resnet_9blocks", 8, upsample="resize", activation="leaky_relu", out_channels=1),
        GeneratorConfig("resnet_6blocks", 8, norm="batch", dropout=True),
        GeneratorConfig("resnet_6blocks", 8, norm="none"),
        GeneratorConfig("resnet_6blocks", 8, classes="facades"),
    ],
    ids=str,
)
def test_every_resnet_gives_the_same_for_images_of_any_size(config: GeneratorConfig) -> None:
    torch.manual_seed(0)
    network = for_translation(build_generator(config))
    compiled = OpenVinoGenerator(network, dtype=torch.float32)
    for height, width in ((64, 64), (92, 76)):
        image = torch.rand(1, 3, height, width) * 2 - 1
        with torch.inference_mode():
            torch.testing.assert_close(compiled(image), network(image), rtol=0, atol=1e-4)


def test_another_network_is_refused() -> None:
    network = for_translation(build_generator(GeneratorConfig("unet_128", 8)))
    with pytest.raises(TypeError, match="UnetGenerator cannot be computed by OpenVINO"):
        OpenVinoGenerator(network, dtype=torch.float32)


def test_the_translator_compiles_what_is_asked_for_again(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[OpenVinoGenerator] = []
    forward = OpenVinoGenerator.forward

    def note(self: OpenVinoGenerator, x: torch.Tensor) -> torch.Tensor:
        made.append(self)
        return forward(self, x)

    monkeypatch.setattr(OpenVinoGenerator, "forward", note)
    monkeypatch.setenv(BACKEND, "openvino")
    labels = draw_facade(1, size=64)
    for name, compiled in (("facades-cyclegan", 2), ("facades-pix2pix", 0)):  # a ResNet and a U-Net
        translator = Translator.load(weights / name, device="cpu", precision="fp32")
        first, second, third = (np.asarray(translator.translate(labels, to="photo")).astype(int) for _ in range(3))
        assert len(made) == compiled
        assert np.array_equal(second, third) and np.abs(first - second).max() <= 1
        made.clear()


def test_it_is_chosen_where_it_was_measured_to_be_enough_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "cache_folder", lambda: tmp_path)
    monkeypatch.delenv(BACKEND)
    measured = iter([1.5, 1.0])
    monkeypatch.setattr(openvino, "measure_gain", lambda _: next(measured))
    for dtype, chosen in ((torch.bfloat16, True), (torch.float32, False)):
        for _ in range(2):  # remembered by other processes, too
            openvino.gain.cache_clear()
            assert is_faster(dtype) is chosen
    assert (
        explain_backend(torch.bfloat16)
        == f"OpenVINO: OpenVINO was measured 1.50 times as fast; {GAIN_NEEDED} are needed"
    )
    monkeypatch.setenv(BACKEND, "torch")
    assert not is_faster(torch.bfloat16)
    assert explain_backend(torch.bfloat16) == f"PyTorch: {BACKEND} is torch"
    monkeypatch.setattr(openvino, "installed", lambda: "")
    monkeypatch.setenv(BACKEND, "openvino")
    assert not is_faster(torch.bfloat16)
    openvino.gain.cache_clear()


def test_the_measurement_gives_a_ratio_and_leaves_the_random_state() -> None:
    state = torch.get_rng_state()
    assert 0.01 < openvino.measure_gain(torch.float32, rounds=1) < 100
    assert torch.equal(torch.get_rng_state(), state)
