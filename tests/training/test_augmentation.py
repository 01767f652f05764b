"""Differentiable augmentation: ranges, what moves together, gradients, and what the discriminators are shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from cyclegan.config import Augmentation, Pix2PixConfig
from cyclegan.data.batches import Pair
from cyclegan.training.augmentation import Augment, recolored
from cyclegan.training.objectives import CycleGAN, Pix2Pix, build_objective
from tests.training.test_objectives import BOTH, CYCLEGAN, adversarial, real_pair, together

ALL: tuple[Augmentation, ...] = ("color", "translation", "cutout")


def pictures(count: int = 64, height: int = 32, width: int = 48) -> Tensor:
    """No value is 0, so that what is 0 afterwards was put there."""
    rng = torch.Generator().manual_seed(0)
    return 0.1 + 0.9 * torch.rand(count, 3, height, width, generator=rng, dtype=torch.float64)


def test_translation_moves_by_up_to_an_eighth_and_fills_with_zeros() -> None:
    torch.manual_seed(0)
    x = pictures()
    found = set()
    for before, after in zip(x, Augment(("translation",), x).image(x), strict=True):
        padded = torch.zeros(3, 32 + 8, 48 + 12, dtype=x.dtype)
        padded[:, 4:-4, 6:-6] = before
        places = [
            (down, right)
            for down in range(-4, 5)
            for right in range(-6, 7)
            if torch.equal(padded[:, 4 - down : 36 - down, 6 - right : 54 - right], after)
        ]
        assert len(places) == 1
        found |= set(places)
    assert {down for down, _ in found} == set(range(-4, 5))
    assert {right for _, right in found} == set(range(-6, 7))


def test_cutout_takes_a_rectangle_of_half_the_size_out() -> None:
    torch.manual_seed(0)
    x = pictures(256)
    y = Augment(("cutout",), x).image(x)
    heights, widths = set(), set()
    for before, after in zip(x, y, strict=True):
        gone = (after == 0).all(0)
        assert torch.equal(after, before.where(~gone, 0.0))
        rows, columns = gone.any(1), gone.any(0)
        assert torch.equal(gone, rows[:, None] & columns[None]), "it is a rectangle"
        heights.add(int(rows.sum()))
        widths.add(int(columns.sum()))
    assert (max(heights), max(widths)) == (16, 24)
    assert min(heights) >= 8, "its middle is within the image"
    assert min(widths) >= 12


def test_color_changes_brightness_saturation_and_contrast_of_the_whole_image() -> None:
    torch.manual_seed(0)
    x = pictures(256)
    y = Augment(("color",), x).image(x)
    change = y.mean((1, 2, 3)) - x.mean((1, 2, 3))
    assert change.abs().max() <= 0.5
    assert change.max() > 0.45
    assert change.min() < -0.45
    grey, chroma = (
        (each.mean(1, keepdim=True) for each in (x, y)),
        (each - each.mean(1, keepdim=True) for each in (x, y)),
    )
    factors = []
    for before, after in (grey, chroma):
        spread = [(each - each.mean((1, 2, 3), keepdim=True)).flatten(1) for each in (before, after)]
        factors.append(spread[1].norm(dim=1) / spread[0].norm(dim=1))
        cosines = torch.nn.functional.cosine_similarity(spread[0], spread[1])
        torch.testing.assert_close(cosines, torch.ones_like(cosines))
    contrast, both = factors
    assert (contrast.min() < 0.55, contrast.max() > 1.45) == (True, True)
    assert contrast.min() >= 0.5
    assert contrast.max() <= 1.5
    saturation = both / contrast
    assert saturation.max() <= 2 + 1e-9
    assert (saturation.min() < 0.1, saturation.max() > 1.9) == (True, True)


def test_a_source_is_moved_and_cut_like_its_image_in_its_own_colours() -> None:
    torch.manual_seed(0)
    x = pictures(8)
    augment = Augment(ALL, x)
    image, source = augment.image(x), augment.source(x)
    assert torch.equal((image == 0).all(1), (source == 0).all(1))
    assert torch.isin(source, torch.cat([x.flatten(), torch.zeros(1, dtype=x.dtype)])).all()
    assert not torch.isin(image[image != 0], x).any()


def test_nothing_is_drawn_where_nothing_is_asked_for() -> None:
    state, x = torch.get_rng_state(), pictures(2)
    assert Augment((), x).image(x) is x
    assert torch.equal(torch.get_rng_state(), state)


def test_the_gradient_is_the_derivative() -> None:
    x = pictures(2, 8, 8).requires_grad_()
    torch.manual_seed(0)
    augment = Augment(ALL, x)
    assert torch.autograd.gradcheck(augment.image, x, fast_mode=True)


@BOTH
def test_discriminators_see_augmented_images_alone_and_sources_beside_them(config: object) -> None:
    assert isinstance(config, type(CYCLEGAN) | Pix2PixConfig)
    torch.manual_seed(0)
    objective = build_objective(replace(config, augment=ALL)).double()
    assert isinstance(objective, CycleGAN | Pix2Pix)
    real = real_pair()
    seen: list[Tensor] = []
    for network in objective.discriminators.values():
        network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    fake = objective(real)
    together(objective.generator_losses(real, fake))
    together(objective.discriminator_losses(real, fake))
    assert len(seen) == 3 * len(objective.discriminators)
    for given in seen:
        gone = (given == 0).all(1)
        assert 0.1 < gone.double().mean() < 0.6
        if isinstance(config, Pix2PixConfig):
            assert torch.isin(given[:, :3][given[:, :3] != 0], real.b).all()
        assert not torch.isin(given[:, -3:][given[:, -3:] != 0], torch.cat([*real, *fake.values()])).any()


@BOTH
def test_an_augmented_loss_is_that_of_the_augmented_images(config: object) -> None:
    assert isinstance(config, type(CYCLEGAN) | Pix2PixConfig)
    torch.manual_seed(0)
    objective = build_objective(replace(config, augment=("translation",))).double()
    real = real_pair()
    fake = objective(real)
    torch.manual_seed(5)
    losses = together(objective.generator_losses(real, fake))
    torch.manual_seed(5)
    if isinstance(objective, Pix2Pix):
        augment = Augment(("translation",), real.b)
        seen = torch.cat([augment.image(real.b), augment.image(fake["fake"])], 1)
        expected = adversarial("vanilla", objective.discriminators["a"](seen), True)
        assert losses["gan"].item() == pytest.approx(expected.item(), rel=1e-9)
    else:
        seen = Augment(("translation",), real.b).image(fake["fake_b"])
        expected = adversarial("lsgan", objective.discriminators["b"](seen), True)
        assert losses["gan_b"].item() == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.parametrize("mode", ["lsgan", "wgangp"])
def test_the_generator_learns_through_the_augmentation(mode: str) -> None:
    torch.manual_seed(0)
    objective = build_objective(replace(CYCLEGAN, augment=ALL, gan_mode=mode)).double()  # type: ignore[arg-type]
    real = Pair(*real_pair())
    loss = together(objective.generator_losses(real, objective(real)))["gan_b"]
    gradients = torch.autograd.grad(loss, list(objective.generators["ab"].parameters()))
    assert sum(bool(gradient.any()) for gradient in gradients) > len(gradients) / 2


def test_a_recolored_photo_shows_the_same_things_in_other_colours() -> None:
    torch.manual_seed(0)
    ramp = torch.linspace(-0.9, 0.9, 64).expand(3, 48, 64)
    photos = ramp.repeat(200, 1, 1, 1)
    changed = recolored(photos)
    assert changed.shape == photos.shape and changed.dtype == torch.float32
    assert -1 <= changed.min() < -0.9 and 0.9 < changed.max() <= 1
    greys = changed.mean((1, 2))  # of each column
    rises = (greys[:, 40:56].mean(1) - greys[:, 8:24].mean(1)).tolist()
    assert 0.2 < sum(rise < 0 for rise in rises) / 200 < 0.47, "a third is negative"
    assert sum(abs(rise) > 0.05 for rise in rises) > 190, "what differed can still be told apart"
    columns = changed.mean(2)
    assert (columns.max(1).values - columns.min(1).values).mean() > 0.1, "grey has got colours"
    between = (changed[:, :, :, 24:40].diff(dim=2) / 2**0.5).std(dim=(2, 3)).median()
    assert 0.08 < between < 0.12, "and what was alike is noisy"
    rows = changed.mean((1, 3))
    assert (rows.max(1).values - rows.min(1).values).mean() > 0.1, "and its light another one from place to place"


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_recolored_photo_keeps_the_order_of_memory(layout: torch.memory_format) -> None:
    assert recolored(pictures(2).contiguous(memory_format=layout)).is_contiguous(memory_format=layout)


def test_each_photo_is_recolored_anew_in_float32_or_wider() -> None:
    torch.manual_seed(0)
    one, other = recolored(pictures(1).expand(2, -1, -1, -1))
    assert one.dtype == torch.float64 and not torch.allclose(one, other, atol=0.1)
    torch.manual_seed(0)
    again, _ = recolored(pictures(1).bfloat16().expand(2, -1, -1, -1))
    assert again.dtype == torch.float32 and torch.allclose(again.double(), one, atol=0.1)
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        exact, _ = recolored(pictures(1).float().expand(2, -1, -1, -1))
    assert exact.dtype == torch.float32 and torch.allclose(exact.double(), one, atol=1e-4)
