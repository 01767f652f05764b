"""What tests of measures share: no network, stand-ins that need no download, images to measure."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from cyclegan.evaluation.measuring import Instruments
from cyclegan.evaluation.segmenter import Segmenter, SegmenterConfig
from cyclegan.networks.features import feature_network
from tests.conftest import make_pairs, make_photo


@pytest.fixture(scope="module", autouse=True)
def _offline(facades: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`facades`, on which the runs are trained, is that of the tests; nothing is downloaded."""

    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("offline")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CYCLEGAN_DATASETS", str(facades.parent))
        patch.setattr(urllib.request, "urlopen", refuse)
        patch.setattr(torch.hub, "get_dir", lambda: str(tmp_path_factory.getbasetemp() / "hub"))
        yield


@pytest.fixture(scope="session")
def tools() -> Instruments:
    """Stand-ins that need no download: colours as Inception's features, an untrained segmenter."""
    torch.manual_seed(0)
    segmenter = Segmenter(SegmenterConfig("facades", width=2)).eval().requires_grad_(False)
    return Instruments(shade, feature_network("lite1", torch.empty(0)), segmenter)


def shade(images: torch.Tensor) -> torch.Tensor:
    """Features in the place of Inception's: mean and spread of the colours."""
    flat = images.double().flatten(2)
    return torch.cat([flat.mean(2), flat.std(2)], 1)


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough pairs to choose an epoch on one half of them and to report it on the other."""
    folder = tmp_path_factory.mktemp("pairs")
    make_pairs(folder / "train", 3, first_seed=50)
    make_pairs(folder / "val", 6)
    return folder


@pytest.fixture(scope="session")
def unpaired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for domain, first, count in (("A", 0, 3), ("B", 50, 4)):
        (folder / f"test{domain}").mkdir(parents=True)
        for index in range(count):
            make_photo(first + index, 64).save(folder / f"test{domain}" / f"{first + index}.png")
    return folder
