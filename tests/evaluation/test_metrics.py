"""Measures against direct computation from their definitions."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from cyclegan.evaluation import metrics

RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 256, (24, 30, 3), dtype=np.uint8)
IMAGE = np.clip(TRUTH + RNG.normal(0, 30, TRUTH.shape), 0, 255).astype(np.uint8)
BLACK, WHITE = (np.full((16, 16, 3), level, dtype=np.uint8) for level in (0, 255))


def test_l1_is_the_mean_difference_as_a_share_of_the_range() -> None:
    assert metrics.l1(BLACK, WHITE) == 1
    assert metrics.l1(TRUTH, TRUTH) == 0
    assert metrics.l1(IMAGE, TRUTH) == pytest.approx(np.abs(IMAGE / 255 - TRUTH / 255).mean())
    assert metrics.l1(IMAGE, TRUTH) == metrics.l1(TRUTH, IMAGE)


def test_psnr_is_the_log_of_the_squared_peak_by_the_squared_error() -> None:
    assert metrics.psnr(BLACK, WHITE) == 0
    assert metrics.psnr(TRUTH, TRUTH) == np.inf
    expected = 20 * np.log10(255) - 10 * np.log10(((IMAGE.astype(float) - TRUTH.astype(float)) ** 2).mean())
    assert metrics.psnr(IMAGE, TRUTH) == pytest.approx(expected)


def test_ssim_is_that_of_the_paper_window_by_window() -> None:
    offsets = np.arange(11) - 5
    bell = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(bell, bell)[..., None] / bell.sum() ** 2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for top in range(TRUTH.shape[0] - 10):
        for left in range(TRUTH.shape[1] - 10):
            x, y = (each[top : top + 11, left : left + 11].astype(float) for each in (IMAGE, TRUTH))
            mean_x, mean_y = (window * x).sum((0, 1)), (window * y).sum((0, 1))
            spread_x = (window * (x - mean_x) ** 2).sum((0, 1))
            spread_y = (window * (y - mean_y) ** 2).sum((0, 1))
            shared = (window * (x - mean_x) * (y - mean_y)).sum((0, 1))
            values.append(
                (2 * mean_x * mean_y + c1)
                * (2 * shared + c2)
                / ((mean_x**2 + mean_y**2 + c1) * (spread_x + spread_y + c2))
            )
    assert metrics.ssim(IMAGE, TRUTH) == pytest.approx(np.mean(values), abs=1e-9)
    assert metrics.ssim(TRUTH, TRUTH) == pytest.approx(1)


@pytest.mark.parametrize("measure", [metrics.l1, metrics.psnr, metrics.ssim])
def test_images_of_two_sizes_are_refused(measure: Any) -> None:
    with pytest.raises(ValueError, match=r"shape \(24, 30, 3\) has no distance to one of \(16, 16, 3\)"):
        measure(IMAGE, BLACK)


def test_label_agreement_is_what_counting_pixels_gives() -> None:
    truth = np.array([[0, 0, 0, 0, 1, 1, 2, 2]])
    predicted = np.array([[0, 0, 0, 1, 1, 1, 0, 3]])
    agreement = metrics.label_agreement(metrics.confusion(predicted, truth, 5))
    assert agreement.pixel_accuracy == 5 / 8
    assert agreement.class_accuracy == pytest.approx((3 / 4 + 2 / 2 + 0 / 2) / 3)  # 3 and 4 are not there
    assert agreement.mean_iou == pytest.approx((3 / 5 + 2 / 3 + 0 / 2 + 0 / 1) / 4)  # 3 is predicted, 4 is nowhere


def test_confusion_adds_up_over_images_by_true_and_predicted_class() -> None:
    truth, predicted = RNG.integers(0, 4, (2, 3, 9, 7), dtype=np.uint8)
    total = np.sum([metrics.confusion(p, t, 4) for p, t in zip(predicted, truth, strict=True)], axis=0)
    for row in range(4):
        for column in range(4):
            assert total[row, column] == ((truth == row) & (predicted == column)).sum()
    with pytest.raises(ValueError, match="cannot be compared"):
        metrics.confusion(predicted[0], truth[0, :-1], 4)


def test_fid_is_the_distance_of_two_gaussians_and_kid_the_unbiased_kernel_estimate() -> None:
    real, made = RNG.normal(0, 1, (20, 5)), RNG.normal(0.5, 1.4, (16, 5))
    fid = metrics.frechet_distance(torch.from_numpy(real), torch.from_numpy(made))
    covariances = [np.cov(each.T) for each in (real, made)]
    roots = np.sqrt(np.linalg.eigvals(covariances[0] @ covariances[1]).real).sum()
    shift = ((real.mean(0) - made.mean(0)) ** 2).sum()
    assert fid == pytest.approx(shift + np.trace(covariances[0] + covariances[1]) - 2 * roots)

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / 5 + 1) ** 3

    def unbiased(real: np.ndarray, made: np.ndarray) -> float:
        within = [(kernel(x, x).sum() - np.trace(kernel(x, x))) / (len(x) * (len(x) - 1)) for x in (real, made)]
        return float(sum(within) - 2 * kernel(real, made).mean())

    kid, (low, high) = metrics.kernel_distance(torch.from_numpy(real), torch.from_numpy(made))
    assert kid == pytest.approx(unbiased(real, made))
    without = (
        [unbiased(np.delete(real, index, 0), made) for index in range(20)],
        [unbiased(real, np.delete(made, index, 0)) for index in range(16)],
    )
    error = sum((len(each) - 1) * np.var(each) for each in without) ** 0.5
    assert (low, high) == pytest.approx((kid - 1.96 * error, kid + 1.96 * error))


def test_equal_sets_have_no_fid_and_one_image_has_no_distribution() -> None:
    features = torch.from_numpy(RNG.normal(0, 1, (30, 4)))
    assert metrics.frechet_distance(features, features) == pytest.approx(0, abs=1e-6)
    with pytest.raises(metrics.MetricError, match="FID needs 2 images or more of each kind, not 1"):
        metrics.frechet_distance(features, features[:1])
    with pytest.raises(metrics.MetricError, match="KID needs 3 images or more of each kind, not 2"):
        metrics.kernel_distance(features[:2], features)


def test_what_fid_lacks_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name = "torch_fidelity.feature_extractor_inceptionv3"
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(metrics.MetricError, match="pip install torch-fidelity"):
        metrics.inception_features(torch.device("cpu"))

    def refuse(*_: object, timeout: float) -> None:
        assert timeout <= 10
        raise urllib.error.URLError("no route to host")

    monkeypatch.setitem(sys.modules, "torch_fidelity", ModuleType("torch_fidelity"))
    module = ModuleType(name)
    module.FeatureExtractorInceptionV3 = None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(metrics.MetricError, match=r"cannot be downloaded .*no route to host.*by hand"):
        metrics.inception_features(torch.device("cpu"))
    assert not list(tmp_path.rglob("*"))


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Of means of 40 draws from a normal distribution: 95 % of the intervals hold 0, a few less with so few draws."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        ((low, high),) = metrics.bootstrap(rng.normal(0, 1, 40) / 40, lambda total: [float(total)])
        held += low < 0 < high
        assert 0.3 < high - low < 1  # 2 * 1.96 / sqrt(40) is 0.62
    assert 0.88 < held / 200 < 0.99


def test_the_interval_of_kid_covers_what_many_images_have() -> None:
    """Of 60 images each, of two normal distributions whose KID 4,000 of each tell."""
    rng = np.random.default_rng(2)

    def draw(shift: float, count: int) -> torch.Tensor:
        return torch.from_numpy(rng.normal(shift, 1, (count, 8)))

    truth, _ = metrics.kernel_distance(draw(0, 4000), draw(0.3, 4000))
    found = [metrics.kernel_distance(draw(0, 60), draw(0.3, 60)) for _ in range(200)]
    assert np.mean([value for value, _ in found]) == pytest.approx(truth, rel=0.1)
    assert 0.88 < np.mean([low < truth < high for _, (low, high) in found]) < 0.99


def test_an_interval_of_agreement_is_that_of_drawn_sets_of_images() -> None:
    counts = RNG.integers(0, 50, (6, 3, 3))
    found = metrics.bootstrap(counts, lambda total: [metrics.label_agreement(total).pixel_accuracy])
    draws = np.random.default_rng(0).multinomial(6, [1 / 6] * 6, size=metrics.RESAMPLES)
    shares = []
    for draw in draws:
        chosen = np.repeat(counts, draw, axis=0).sum(0)
        shares.append(np.diag(chosen).sum() / chosen.sum())
    assert found == [pytest.approx((np.percentile(shares, 2.5), np.percentile(shares, 97.5)))]
