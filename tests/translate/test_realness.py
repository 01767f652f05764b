"""The discriminator's eye: what it says is what the discriminator computes, in the right place of the image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cyclegan.config import ConfigError, CycleGANConfig, DiscriminatorConfig, Pix2PixConfig
from cyclegan.facades.labels import draw_facade
from cyclegan.images.io import ImageError, to_tensor
from cyclegan.networks import features
from cyclegan.networks.build import build_discriminator, initialize
from cyclegan.runs.run import Domains, Run
from cyclegan.training.objectives import Objective, build_objective
from cyclegan.translate.realness import Eye, over_pixels
from tests.conftest import TINY_CYCLEGAN, TINY_GAN, TINY_PIX2PIX, make_photo

MakeEye = Callable[[CycleGANConfig | Pix2PixConfig], tuple[Eye, Objective]]

CPU = torch.device("cpu")
WIDTH = DiscriminatorConfig(width=4)
CYCLEGAN = CycleGANConfig(dataset="facades", generator=TINY_CYCLEGAN, discriminator=WIDTH)
PIX2PIX = Pix2PixConfig(dataset="facades", generator=TINY_PIX2PIX, discriminator=replace(WIDTH, norm="batch"))


@pytest.fixture
def make_eye(tmp_path: Path) -> MakeEye:
    """A run on disk with untrained discriminators, and the objective that they come from."""

    def make(config: CycleGANConfig | Pix2PixConfig) -> tuple[Eye, Objective]:
        torch.manual_seed(0)
        objective = build_objective(config).eval()
        method = "cyclegan" if isinstance(config, CycleGANConfig) else "pix2pix"
        run = Run(tmp_path / "run", method, Domains("photo", "labels"), config, {})  # type: ignore[arg-type]
        run.folder.mkdir()
        run.write()
        assert not Eye(run, device=CPU).is_open
        run.save_discriminators({domain: objective.discriminators[domain] for domain in run.judged})
        return Eye(run, device=CPU), objective

    return make


def test_a_cyclegans_eyes_see_images_of_both_domains(make_eye: MakeEye) -> None:
    eye, objective = make_eye(CYCLEGAN)
    assert eye.is_open
    for domain, image in (("a", make_photo(1)), ("b", draw_facade(1))):
        patches = eye.realness(image, domain)  # type: ignore[arg-type]
        with torch.no_grad():
            expected = objective.discriminators[domain](to_tensor(image)[None]).clamp(0, 1)[0, 0].numpy()
        assert patches.shape == (30, 30) and patches.std() > 0.01
        np.testing.assert_allclose(patches, expected, atol=0.01)


def test_pix2pixs_eye_sees_the_source_beside_the_image(make_eye: MakeEye) -> None:
    eye, objective = make_eye(PIX2PIX)
    labels, photo = draw_facade(1), make_photo(1)
    patches = eye.realness(photo, "a", source=labels)
    with torch.no_grad():
        pair = torch.cat([to_tensor(labels), to_tensor(photo)])[None]
        # In training batch norm takes the statistics of the batch: here of this one image.
        expected = objective.discriminators["a"].train()(pair).sigmoid()[0, 0].numpy()
    np.testing.assert_allclose(patches, expected, atol=0.01)
    assert not np.allclose(patches, eye.realness(photo, "a", source=draw_facade(2)), atol=0.01)


def test_a_projected_eye_is_the_mean_of_its_heads(make_eye: MakeEye, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = DiscriminatorConfig("projected", width=4, norm="none")
    eye, objective = make_eye(replace(PIX2PIX, discriminator=judge, gan_mode="hinge"))
    assert eye.is_open
    labels, photo = draw_facade(1), make_photo(1)
    patches = eye.realness(photo, "a", source=labels)
    with torch.no_grad():
        logits = objective.discriminators["a"](torch.cat([to_tensor(labels), to_tensor(photo)])[None])
    heads = [((each + 1) / 2).clamp(0, 1) for each in logits]
    expected = torch.stack([torch.nn.functional.interpolate(each, (64, 64), mode="bilinear") for each in heads]).mean(0)
    assert patches.std() > 0.01
    np.testing.assert_allclose(patches, expected[0, 0].numpy(), atol=0.01)
    pixels = over_pixels(patches, (256, 256), judge)
    assert pixels.shape == (256, 256)
    assert np.array_equal(pixels[2::4, 1::4], patches)
    monkeypatch.setattr("cyclegan.networks.features.find_spec", lambda _: None)
    features._load.cache_clear()
    with pytest.raises(ConfigError, match=r"pip install -r requirements-features\.txt"):
        eye.realness(photo, "a", source=labels)


def test_scores_without_a_scale_are_not_shown(make_eye: MakeEye, tmp_path: Path) -> None:
    assert not make_eye(replace(CYCLEGAN, gan_mode="wgangp"))[0].is_open
    noise = Run(tmp_path / "noise", "gan", Domains("noise", "clothes"), TINY_GAN, {})
    noise.save_discriminators({"b": build_objective(TINY_GAN).discriminators["b"]})
    assert noise.has_discriminators and not Eye(noise, device=CPU).is_open


def test_an_image_smaller_than_a_patch_is_refused(make_eye: MakeEye) -> None:
    eye, _ = make_eye(CYCLEGAN)
    with pytest.raises(ImageError, match="64x20 pixels; the discriminator needs 24"):
        eye.realness(make_photo(1, 64).crop((0, 0, 64, 20)), "a")


@pytest.mark.parametrize(
    "config",
    [DiscriminatorConfig(name, 2, "none", layers) for name, layers in (("n_layers", 1), ("basic", 3), ("pixel", 3))],  # type: ignore[arg-type]
    ids=["1 layer", "3 layers", "pixel"],
)
def test_a_patch_lies_where_the_discriminator_looks(config: DiscriminatorConfig) -> None:
    """The pixels that change a patch's logit lie around the pixels that are given its value."""
    torch.manual_seed(0)
    network = build_discriminator(config, in_channels=3)
    initialize(network, 0.5)
    image = torch.zeros(1, 3, 160, 128, requires_grad=True)
    logits = network(image)[0, 0]
    row, column = logits.shape[0] // 2, logits.shape[1] // 2
    logits[row, column].backward()
    assert image.grad is not None
    marked = torch.zeros(logits.shape)
    marked[row, column] = 1
    given = over_pixels(marked.numpy(), (128, 160), config)
    assert given.shape == (160, 128)
    for axis in (0, 1):
        seen = np.flatnonzero(image.grad[0].abs().sum(0).sum(1 - axis).numpy())
        shown = np.flatnonzero(given.sum(1 - axis))
        assert seen.mean() == shown.mean()
        assert seen[0] <= shown[0] and shown[-1] <= seen[-1]


def test_every_pixel_has_a_value() -> None:
    patches = np.arange(30 * 30, dtype=np.float32).reshape(30, 30)
    pixels = over_pixels(patches, (256, 256), WIDTH)
    assert set(pixels.flat) == set(patches.flat)
    assert pixels[0, 0] == 0 and pixels[255, 255] == 899
