"""The pool of earlier translations, in both its modes."""

from __future__ import annotations

import torch
from torch import Tensor

from cyclegan.training.pools import ImagePool


def numbered(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1, 1)


def show(pool: ImagePool, images: Tensor) -> Tensor:
    (shown,) = pool.show(images)
    return shown


def test_a_pool_below_its_capacity_gives_images_back() -> None:
    pool = ImagePool(4, seed=0)
    for images in (numbered(1, 2, 3), numbered(4)):
        assert torch.equal(show(pool, images), images)
    assert torch.equal(torch.cat(pool.images), numbered(1, 2, 3, 4))


def test_a_full_pool_gives_an_old_image_half_of_the_time() -> None:
    pool = ImagePool(50, seed=0)
    show(pool, numbered(*range(50)))
    old = 0
    for number in range(50, 2050):
        held = {image.item() for image in pool.images}
        given = show(pool, numbered(number)).item()
        after = {image.item() for image in pool.images}
        if given == number:
            assert after == held
        else:
            old += 1
            assert given in held
            assert after == held - {given} | {number}
    assert 940 < old < 1060


def test_a_pool_of_no_size_is_off() -> None:
    pool, images = ImagePool(0, seed=0), numbered(1, 2)
    for _ in range(5):
        assert torch.equal(show(pool, images), images)
    assert pool.images == []


def test_a_pool_goes_on_from_its_state() -> None:
    pool, other = ImagePool(3, seed=1), ImagePool(3, seed=2)
    for number in range(10):
        show(pool, numbered(number))
    state = pool.state_dict()
    other.load_state_dict({"images": list(state["images"]), "rng": dict(state["rng"])})
    for number in range(10, 40):
        assert torch.equal(show(pool, numbered(number)), show(other, numbered(number)))


def test_a_pool_holds_images_and_nothing_behind_them() -> None:
    """Neither the graph that made them, nor the memory of the whole batch, which a checkpoint would save too."""
    pool = ImagePool(3, seed=0)
    made = torch.ones(8, 3, 4, 4, requires_grad=True) * 2
    for _ in range(4):
        show(pool, made[:2])
    for image in pool.images:
        assert not image.requires_grad
        assert image.untyped_storage().nbytes() == image.nbytes


def test_beside_the_current_images_older_ones_are_shown() -> None:
    pool = ImagePool(50, seed=0)
    assert [shown.item() for shown in pool.show(numbered(0), "both")] == [0, 0]
    seen = []
    for number in range(1, 300):
        held = {image.item() for image in pool.images}
        current, older = pool.show(numbered(number), "both")
        assert current.item() == number
        assert older.item() in held
        assert number in {image.item() for image in pool.images}
        seen.append(older.item())
    assert len(pool.images) == 50
    assert len(set(seen)) > 100, "every older image has its chance"
