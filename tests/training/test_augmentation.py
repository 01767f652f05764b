"""Differentiable augmentation: ranges, what moves together, gradients, and what the discriminators are shown."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from cyclegan.config import Augmentation, Pix2PixConfig
from cyclegan.training.augmentation import Augment
from cyclegan.training.cyclegan import CycleGAN
from cyclegan.training.objectives import build_objective
from cyclegan.training.pix2pix import Pix2Pix
from tests.training.test_objectives import BOTH, CYCLEGAN, losses_of, real_pair

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


def test_the_gradient_is_the_derivative() -> None:
    x = pictures(2, 8, 8).requires_grad_()
    torch.manual_seed(0)
    augment = Augment(ALL, x)
    assert torch.autograd.gradcheck(augment.image, x, fast_mode=True)


@BOTH
def test_discriminators_see_augmented_images_alone_and_sources_beside_them(config: object) -> None:
    assert isinstance(config, type(CYCLEGAN) | Pix2PixConfig)
    torch.manual_seed(0)
    objective = build_objective(replace(config, diffaugment=ALL)).double()
    assert isinstance(objective, CycleGAN | Pix2Pix)
    real = real_pair()
    seen: list[Tensor] = []
    for network in objective.discriminators.values():
        network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    losses_of(objective, real)
    assert len(seen) == 3 * len(objective.discriminators)
    for given in seen:
        gone = (given == 0).all(1)
        assert 0.1 < gone.double().mean() < 0.6
        if isinstance(config, Pix2PixConfig):
            assert torch.isin(given[:, :3][given[:, :3] != 0], real.b).all()
        assert not torch.isin(given[:, -3:][given[:, -3:] != 0], torch.cat([*real])).any()
