"""New images of a plain GAN, from Python and from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cyclegan import Translator
from cyclegan.runs.run import RunError
from cyclegan.translate.sample import main
from tests.conftest import TINY_GAN, make_run


def test_a_plain_gan_generates_new_images_by_seed_and_epoch(tmp_path: Path, weights: Path) -> None:
    run = make_run(tmp_path / "run", TINY_GAN, epochs=(1, 2), sample_epochs=2)
    translator, out = Translator.load(run.folder), tmp_path / "out.png"
    first, again, other, early = (
        [np.asarray(image) for image in translator.sample(5, **arguments)]
        for arguments in ({}, {"epoch": 2}, {"seed": 1}, {"epoch": 1})
    )
    assert first[0].shape == (32, 32, 3) and len(first) == 5
    assert np.array_equal(first, again) and not np.array_equal(first, other) and not np.array_equal(first, early)
    noise = np.random.default_rng(0).standard_normal((5, TINY_GAN.generator.in_channels), dtype=np.float32)
    with torch.no_grad():
        expected = run.load_generator(2, "ab").eval()(torch.from_numpy(noise))
    assert np.abs(first[3].astype(int) - (expected[3, 0].numpy()[..., None] + 1) * 127.5).max() <= 3
    assert main([str(run.folder), str(out), "--count", "5"]) == 0
    sheet = Image.open(out)
    assert sheet.size == (96, 64) and np.array_equal(np.asarray(sheet.crop((32, 32, 64, 64))), first[4])
    with pytest.raises(RunError, match="facades-pix2pix translates images"):
        Translator.load(weights / "facades-pix2pix").sample()


@pytest.mark.parametrize(("arguments", "message"), [(["--count", "0"], "count is 0"), (["--epoch", "7"], "no epoch 7")])
def test_mistakes_are_named(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", TINY_GAN, epochs=(1,), sample_epochs=1)
    assert main([str(run.folder), str(tmp_path / "out.png"), *arguments]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "out.png").exists()
