"""Measures of pictures: distance to the true image, agreement of label maps, distance between sets of images.

Images are uint8 [H, W, 3], class maps integers [H, W].
"""

from __future__ import annotations

import hashlib
import http.client
import math
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from cyclegan.runtime.files import write_atomically

Pixels = NDArray[np.uint8]
Features = Callable[[Tensor], Tensor]
"""Images, uint8 [N, 3, H, W], to their features [N, D]."""
Distance = Callable[[Pixels, Pixels], float]
Interval = tuple[float, float]

INCEPTION_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
)
"""The Inception v3 of the published FID figures, converted for PyTorch: 91 MB; the name ends in its sha256's start."""
TIMEOUT_SECONDS = 8.0  # without a byte
RESAMPLES = 1000
"""Draws of a bootstrap."""


class MetricError(RuntimeError):
    """A measure that cannot be had here: the message is one line that says why and what to do."""


def l1(image: Pixels, truth: Pixels) -> float:
    """Mean absolute difference, in [0, 1]: 0 for equal images."""
    return float(np.abs(_difference(image, truth)).mean()) / 255


def psnr(image: Pixels, truth: Pixels) -> float:
    """Peak signal-to-noise ratio in dB, 10 log10(255^2 / mean squared difference); infinite for equal images."""
    squared = float((_difference(image, truth) ** 2).mean())
    return 10 * math.log10(255**2 / squared) if squared else math.inf


def ssim(image: Pixels, truth: Pixels) -> float:
    """Structural similarity, in [-1, 1]: 1 for equal images. Both sides need 11 pixels or more.

    Wang, Bovik, Sheikh, Simoncelli 2004, doi:10.1109/TIP.2003.819861, with its constants (Gaussian window of 11
    pixels, sigma 1.5, K 0.01 and 0.03) where the window lies within the image; the mean of the three channels.
    """
    _difference(image, truth)
    x, y = (each.astype(np.float64) for each in (image, truth))
    x_mean, y_mean = _windowed(x), _windowed(y)
    x_variance, y_variance = _windowed(x * x) - x_mean**2, _windowed(y * y) - y_mean**2
    covariance = _windowed(x * y) - x_mean * y_mean
    luminance, contrast = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # C1 and C2, which keep the divisors from zero
    similarity = (2 * x_mean * y_mean + luminance) * (2 * covariance + contrast)
    similarity /= (x_mean**2 + y_mean**2 + luminance) * (x_variance + y_variance + contrast)
    return float(similarity.mean())


def _windowed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean under SSIM's window at each place where it lies within the values [H, W, 3]: [H - 10, W - 10, 3]."""
    window = np.exp(-(np.arange(-5.0, 6.0) ** 2) / (2 * 1.5**2))
    window /= window.sum()
    for axis in (0, 1):  # a Gaussian is the product of one down and one across
        values = sliding_window_view(values, 11, axis) @ window
    return values


def _difference(image: Pixels, truth: Pixels) -> NDArray[np.float64]:
    if image.shape != truth.shape:
        raise ValueError(f"an image of shape {image.shape} has no distance to one of {truth.shape}; resize one")
    return image.astype(np.float64) - truth


def perceptual_distance(maps: Sequence[Tensor], truth: Sequence[Tensor]) -> float:
    """Return the distance of two images in a network's feature maps [1, C, H, W] at several scales: 0 for equal ones.

    Zhang et al. 2018, arXiv:1801.03924, equation 1, with equal weights for all channels, as a mean over the scales:
    twice the cosine distance of the features of a place. Two photos of different things get about 1.5.
    """
    units = (
        (x / x.norm(dim=1, keepdim=True), y / y.norm(dim=1, keepdim=True)) for x, y in zip(maps, truth, strict=True)
    )
    return float(torch.stack([(x - y).square().sum(1).mean() for x, y in units]).mean())


def bootstrap(per_image: NDArray[Any], statistic: Callable[[NDArray[Any]], Sequence[float]]) -> list[Interval]:
    """95 % confidence intervals of the figures that a statistic makes of the sum over images [images, ...].

    Efron 1979, doi:10.1214/aos/1176344552: the percentiles of what RESAMPLES sets of as many images give, drawn from
    these with replacement, from seed 0. It says what other images would change, not what another training would.
    """
    count = len(per_image)
    draws = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    values = np.array([statistic(total) for total in np.tensordot(draws, per_image, 1)])
    low, high = np.percentile(values, (2.5, 97.5), axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


@dataclass(frozen=True)
class LabelAgreement:
    """How well predicted classes fit the true ones, each in [0, 1].

    Long, Shelhamer, Darrell 2015, arXiv:1411.4038 section 5; CycleGAN's table 3 (arXiv:1703.10593) has the three.
    """

    pixel_accuracy: float
    """Share of the pixels whose class is right."""
    class_accuracy: float
    """Mean over the classes that are there of the share of their pixels that is right."""
    mean_iou: float
    """Mean over the classes that are there or predicted of intersection over union."""


def confusion(predicted: NDArray[np.integer], truth: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Pixels by true class (rows) and predicted class (columns), [classes, classes]; add those of several images."""
    if predicted.shape != truth.shape:
        raise ValueError(f"class maps of shapes {predicted.shape} and {truth.shape} cannot be compared; resize one")
    pairs = truth.astype(np.int64).ravel() * classes + predicted.ravel()
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def label_agreement(counts: NDArray[np.int64]) -> LabelAgreement:
    """The agreement that a confusion matrix of at least one pixel shows."""
    right, true, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    union = true + predicted - right
    return LabelAgreement(
        float(right.sum() / counts.sum()),
        float((right[true > 0] / true[true > 0]).mean()),
        float((right[union > 0] / union[union > 0]).mean()),
    )


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """Return FID between features of real images [M, D] and fake ones [N, D]; 0 if they are distributed alike.

    Heusel et al. 2017, arXiv:1706.08500, equation 6. It falls with the number of images: only figures of equal counts
    compare. Raises MetricError if a set has fewer than 2 images.
    """
    _require_images("FID", 2, real, fake)
    x, y = real.double(), fake.double()
    shift = (x.mean(0) - y.mean(0)).square().sum()
    covariances = x.T.cov(), y.T.cov()
    roots = torch.linalg.eigvals(covariances[0] @ covariances[1]).sqrt().real.sum()
    return float(shift + covariances[0].trace() + covariances[1].trace() - 2 * roots)


def kernel_distance(real: Tensor, fake: Tensor) -> tuple[float, Interval]:
    """Return KID between features of real images [M, D] and fake ones [N, D], and its 95 % confidence interval.

    Binkowski et al. 2018, arXiv:1801.01401: the unbiased estimate, of all images at once and therefore without chance;
    about 0, and below it as often as above, if they are distributed alike. The interval is 1.96 standard errors to
    both sides, by the jackknife over the images of either set. Raises MetricError if a set has fewer than 3 images.
    """
    _require_images("KID", 3, real, fake)
    m, n, real, fake = len(real), len(fake), real.double(), fake.double()

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def estimate(real_sum: Tensor, fake_sum: Tensor, cross_sum: Tensor, m: int, n: int) -> Tensor:
        return real_sum / (m * (m - 1)) + fake_sum / (n * (n - 1)) - 2 * cross_sum / (m * n)

    reals, fakes = (kernel(x, x).fill_diagonal_(0) for x in (real, fake))
    cross = kernel(real, fake)
    sums = reals.sum(), fakes.sum(), cross.sum()
    value = float(estimate(*sums, m, n))
    without_a_real = estimate(sums[0] - 2 * reals.sum(1), sums[1], sums[2] - cross.sum(1), m - 1, n)
    without_a_fake = estimate(sums[0], sums[1] - 2 * fakes.sum(1), sums[2] - cross.sum(0), m, n - 1)
    variances = [(len(each) - 1) * each.var(correction=0) for each in (without_a_real, without_a_fake)]
    reach = 1.96 * float(sum(variances)) ** 0.5
    return value, (value - reach, value + reach)


def _require_images(measure: str, fewest: int, *sets: Tensor) -> None:
    if (count := min(map(len, sets))) < fewest:
        raise MetricError(f"{measure} needs {fewest} images or more of each kind, not {count}")


def inception_features(device: torch.device) -> Features:
    """Return the 2048 features of Inception v3 on which FID and KID are published, weights downloaded if missing.

    Raises MetricError if torch-fidelity is not installed or the weights cannot be had.
    """
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3  # type: ignore
    except ImportError:
        raise MetricError("FID and KID need torch-fidelity; install it with: pip install torch-fidelity") from None
    path = Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_URL.rpartition("/")[2]
    if not path.is_file():
        _download(INCEPTION_URL, path)
    network = FeatureExtractorInceptionV3("inception", ["2048"], str(path)).to(device)

    def features(images: Tensor) -> Tensor:
        with torch.inference_mode():
            found: Tensor = network(images.to(device))[0].cpu()
        return found

    return features


def _download(url: str, path: Path) -> None:
    """Fetch weights whose name ends in the start of their sha256. Raises MetricError."""
    home = Path.home()
    where = Path("~") / path.relative_to(home) if path.is_relative_to(home) else path  # reports are published
    remedy = f"place {url} at {where} by hand"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
            content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise MetricError(f"FID and KID need weights that cannot be downloaded ({error}); {remedy}") from None
    if not path.stem.endswith(hashlib.sha256(content).hexdigest()[:8]):
        raise MetricError(f"FID and KID need weights, but the downloaded ones have the wrong sha256; {remedy}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
