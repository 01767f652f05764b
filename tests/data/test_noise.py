"""A plain GAN, from the folder or the idx file to images that look like the data."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import train
from cyclegan.config import GANConfig
from cyclegan.data.datasets import DatasetError
from cyclegan.data.named_datasets import IDX_FILE
from cyclegan.data.noise import NoiseBatches, read_pictures
from cyclegan.runs.run import Domains, Run
from cyclegan.runs.samples import draw_noise
from cyclegan.training.checkpoint import create, resume
from cyclegan.training.trainer import Trainer
from tests.conftest import TINY_GAN, idx_bytes, make_photo, make_squares
from tests.training.test_train_command import assert_same_runs

COLOUR = replace(TINY_GAN, generator=replace(TINY_GAN.generator, out_channels=3))
CPU = torch.device("cpu")


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    """A data root with 100 squares in the place of Fashion-MNIST."""
    (tmp_path / "sets" / "fashion-mnist").mkdir(parents=True)
    (tmp_path / "sets" / "fashion-mnist" / f"{IDX_FILE}.gz").write_bytes(idx_bytes(make_squares(100)))
    return tmp_path / "sets"


def numbered(count: int) -> torch.Tensor:
    """Pictures whose first pixel is their place."""
    pictures = torch.zeros(count, 1, 32, 32, dtype=torch.uint8)
    pictures[:, 0, 0, 0] = torch.arange(count)
    return pictures


def places(batches: NoiseBatches, epoch: int) -> list[int]:
    """The places of an epoch's pictures, in its order."""
    real = torch.cat([pair.b for pair in batches.epoch(epoch)])
    return [round(value) for value in ((real[:, 0, 0, 0] + 1) * 127.5).tolist()]


class TestPictures:
    def test_idx_files_packed_or_not_and_folders_give_the_same_pictures(self, tmp_path: Path) -> None:
        images = make_squares(12)
        for name in ("packed", "plain", "folder"):
            (tmp_path / name).mkdir()
        (tmp_path / "packed" / f"{IDX_FILE}.gz").write_bytes(idx_bytes(images))
        (tmp_path / "plain" / IDX_FILE).write_bytes(idx_bytes(images, packed=False))
        for index, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / "folder" / f"{index}.png")
        packed, plain, folder = (read_pictures(tmp_path / name, TINY_GAN) for name in ("packed", "plain", "folder"))
        assert packed.shape == (12, 1, 32, 32) and packed.dtype == torch.uint8
        assert torch.equal(packed, plain) and torch.equal(packed, folder)
        expected = Image.fromarray(images[5]).resize((32, 32), Image.Resampling.BICUBIC)
        assert np.array_equal(packed[5, 0], np.asarray(expected))

    def test_photos_keep_their_colour_where_it_is_asked_for(self, tmp_path: Path) -> None:
        for index in range(2):
            make_photo(index, 40).save(tmp_path / f"{index}.png")
        pictures = read_pictures(tmp_path, COLOUR)
        assert pictures.shape == (2, 3, 32, 32)
        expected = make_photo(1, 40).resize((32, 32), Image.Resampling.BICUBIC)
        assert np.array_equal(pictures[1].permute(1, 2, 0), np.asarray(expected))
        assert read_pictures(tmp_path, TINY_GAN).shape == (2, 1, 32, 32)

    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            (IDX_FILE, idx_bytes(make_squares(3), packed=False)[:-1], "is damaged"),
            (IDX_FILE, idx_bytes(make_squares(3)), "begins with 0x1f8b"),
            (f"{IDX_FILE}.gz", idx_bytes(make_squares(3))[:-9], "is damaged"),
            (f"{IDX_FILE}.gz", idx_bytes(make_squares(1)), ": 1 images to train on"),
        ],
        ids=["cut", "packed under a plain name", "cut .gz", "one image"],
    )
    def test_a_bad_file_is_named(self, name: str, content: bytes, said: str, tmp_path: Path) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DatasetError, match=f"{name}.*{said}"):
            read_pictures(tmp_path, TINY_GAN)


class TestBatches:
    def test_an_epoch_shows_every_picture_once_in_an_order_of_its_own(self) -> None:
        batches = NoiseBatches(numbered(40), TINY_GAN)
        assert (batches.images, batches.steps) == (40, 3)
        first, second = places(batches, 1), places(batches, 2)
        assert sorted(first) == sorted(second) == list(range(40))
        assert first != second != list(range(40))
        assert places(NoiseBatches(numbered(40), replace(TINY_GAN, serial=True)), 1) == list(range(40))

    def test_a_batch_depends_on_seed_epoch_and_step_alone(self) -> None:
        batches = NoiseBatches(numbered(40), TINY_GAN)
        late = list(batches.epoch(2, 1))
        assert len(late) == 2
        for step, pair in enumerate(late, 1):
            again = NoiseBatches(numbered(40), TINY_GAN).batch(2, step)
            assert torch.equal(pair.a, again.a) and torch.equal(pair.b, again.b)
        other = NoiseBatches(numbered(40), replace(TINY_GAN, seed=1)).batch(2, 1)
        assert not torch.equal(late[0].a, other.a) and not torch.equal(late[0].b, other.b)

    def test_noise_is_normal_and_never_the_same(self) -> None:
        batches = NoiseBatches(numbered(200), TINY_GAN)
        noise = torch.cat([pair.a for epoch in range(1, 11) for pair in batches.epoch(epoch)])
        assert noise.shape == (2000, 100) and noise.dtype == torch.float32
        assert abs(noise.mean()) < 0.01 and abs(noise.std() - 1) < 0.01
        assert len({tuple(row[:3].tolist()) for row in torch.cat([noise, draw_noise(TINY_GAN)])}) == 2064

    @pytest.mark.parametrize(("images", "sizes"), [(33, [16, 16]), (34, [16, 16, 2]), (5, [5])])
    def test_no_batch_is_a_single_picture(self, images: int, sizes: list[int]) -> None:
        batches = NoiseBatches(numbered(images), TINY_GAN)
        assert [len(pair.b) for pair in batches.epoch(1)] == sizes
        assert batches.steps == len(sizes)

    def test_without_batch_norm_a_single_picture_is_a_batch(self, tmp_path: Path) -> None:
        config = replace(TINY_GAN, generator=replace(TINY_GAN.generator, norm="none"))
        batches = NoiseBatches(numbered(33), config)
        assert [len(pair.b) for pair in batches.epoch(1)] == [16, 16, 1]
        (tmp_path / IDX_FILE).write_bytes(idx_bytes(make_squares(1), packed=False))
        assert len(read_pictures(tmp_path, config)) == 1
        (tmp_path / IDX_FILE).write_bytes(idx_bytes(make_squares(1)[:0], packed=False))
        with pytest.raises(DatasetError, match="0 images to train on; batches need 1 or more"):
            read_pictures(tmp_path, config)


def make_trainer(folder: Path, squares: Path, config: GANConfig = TINY_GAN) -> Trainer:
    batches = NoiseBatches(read_pictures(squares / "fashion-mnist", config), config)
    run = Run(folder, "gan", Domains("noise", "clothes"), config, {"ab": "noise"})
    return Trainer(run, batches, {"ab": [draw_noise(config)]}, device=CPU)


class TestTraining:
    def test_what_is_made_comes_to_look_like_the_data(self, squares: Path, tmp_path: Path) -> None:
        config = replace(TINY_GAN, epochs=45, learning_rate=1e-3)  # 7 steps an epoch
        trainer = make_trainer(tmp_path / "run", squares, config)
        real = torch.cat([pair.b for pair in trainer.batches.epoch(1)]).flatten(1)

        def distances() -> tuple[float, float]:
            """Mean distances of the mean made image to the mean real one, and of each made image to the nearest real
            one. Black images have 0.3 and 0.3."""
            generator = trainer.objective.generators["ab"].eval()
            with torch.no_grad():
                made = generator(draw_noise(config)).flatten(1)
            generator.train()
            nearest = torch.cdist(made, real, p=1).amin(1).mean() / real.shape[1]
            return (made.mean(0) - real.mean(0)).abs().mean().item(), nearest.item()

        assert min(distances()) > 0.6
        create(trainer)
        trainer.train()
        assert max(distances()) < 0.22

    def test_going_on_gives_what_an_unbroken_training_gives(self, squares: Path, tmp_path: Path) -> None:
        whole = make_trainer(tmp_path / "whole", squares)
        create(whole)
        assert whole.train()
        broken, asked = make_trainer(tmp_path / "broken", squares), count(1)
        create(broken)
        assert not broken.train(should_stop=lambda: next(asked) == 10)  # an epoch has 7 steps
        again = make_trainer(tmp_path / "broken", squares)
        resume(again)
        assert again.train()
        assert_same_runs(tmp_path / "whole", tmp_path / "broken")


def new_run(squares: Path, out: Path, *more: object) -> list[object]:
    widths = ["--generator.width", "16", "--discriminator.width", "16"]
    rest = ["--epochs", "3", "--snapshot-epochs", "1", "--device", "cpu", *widths, *more]
    return ["gan", "--dataset", "fashion-mnist", "--data-root", squares, "--out", out, *rest]


class TestCommand:
    def test_a_run_has_its_domains_samples_and_snapshots(
        self, squares: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert train.main([str(argument) for argument in new_run(squares, tmp_path / "run")]) == 0
        printed = capsys.readouterr().err
        assert "fashion-mnist: 100 images" in printed and "img/s" in printed
        made = Run.open(tmp_path / "run")
        assert (made.method, made.domains) == ("gan", Domains("noise", "clothes"))
        assert dict(made.samples) == {"ab": "noise"}
        assert made.sample_epochs == (1, 2, 3) and made.epochs == (1, 3)
        assert set(made.history()[0]["losses"]) == {"gan", "discriminator"}
        with torch.no_grad():
            assert made.load_generator(3, "ab")(torch.zeros(2, 100)).shape == (2, 1, 32, 32)

    def test_a_folder_called_like_a_dataset_of_pairs_is_a_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("facades").mkdir()
        for index in range(4):
            make_photo(index, 40).save(f"facades/{index}.jpg")
        command = [str(each) for each in new_run(tmp_path, tmp_path / "run", "--dataset", "facades")]
        assert train.main(command) == 0, capsys.readouterr().err
        made = Run.open(tmp_path / "run")
        assert made.config.dataset == str(tmp_path / "facades"), "--resume may be typed in another folder"
        assert made.domains == Domains("noise", "pictures")

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["gan", "--dataset", "facades"], ["'facades'", "one of fashion-mnist;", "path of a folder"]),
            (["--dataset", "fashion-mnist"], ["'fashion-mnist'", "facades, maps"]),
            (["gan", "--dataset", "."], ["holds no images"]),
        ],
        ids=lambda value: " ".join(value) if value[0] == "gan" else "",
    )
    def test_a_mistake_is_one_message_and_exit_code_2(
        self,
        arguments: list[str],
        said: list[str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert train.main(arguments) == 2
        printed = capsys.readouterr().err
        assert "Traceback" not in printed
        for words in said:
            assert words in printed, words
