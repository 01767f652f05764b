"""Translation: any image in its own size, as the plain network would, whoever else is translating."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cyclegan.config import ConfigError, Pix2PixConfig
from cyclegan.images.encodings import encode, rgb_to_lab
from cyclegan.images.io import ImageError, to_image, to_tensor
from cyclegan.networks.build import for_translation
from cyclegan.networks.storage import WeightsError
from cyclegan.pages.models import Models
from cyclegan.runs.run import Run, RunError
from cyclegan.runs.scores import write_scores
from cyclegan.translate import bands
from cyclegan.translate import translator as translate
from cyclegan.translate.translator import CACHED_NETWORKS, Translator
from tests.conftest import TINY_GAN, TINY_PIX2PIX, make_photo, make_run

RUNS = pytest.mark.parametrize("name", ["facades-cyclegan", "facades-pix2pix"])


def load(weights: Path, name: str, precision: str = "fp32") -> Translator:
    return Translator.load(weights / name, device="cpu", precision=precision)  # type: ignore[arg-type]


@pytest.fixture
def cyclegan(weights: Path) -> Translator:
    return load(weights, "facades-cyclegan")


@pytest.fixture
def pix2pix(weights: Path) -> Translator:
    return load(weights, "facades-pix2pix")


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def plainly(run: Run, image: Image.Image, epoch: int) -> np.ndarray:
    """The translation to photos by the run's network alone, at a size it takes."""
    with torch.no_grad():
        return pixels(to_image(for_translation(run.load_generator(epoch, "ba"))(to_tensor(image)[None])[0]))


def test_a_run_says_what_it_can_do(cyclegan: Translator, pix2pix: Translator) -> None:
    assert (cyclegan.name, cyclegan.method, cyclegan.epochs) == ("facades-cyclegan", "cyclegan", (1, 3, 5))
    assert (cyclegan.targets, pix2pix.targets) == (("labels", "photo"), ("photo",))
    assert (cyclegan.source_of("labels"), pix2pix.source_of("photo")) == ("photo", "labels")


def test_a_plain_gan_translates_nothing_and_says_so(tmp_path: Path) -> None:
    make_run(tmp_path / "clothes-gan", TINY_GAN, epochs=(2,), sample_epochs=1)
    gan = load(tmp_path, "clothes-gan")
    assert (gan.targets, gan.epochs) == ((), (2,))
    for attempt in (lambda: gan.translate(make_photo(1), to="clothes"), lambda: gan.source_of("clothes")):
        with pytest.raises(RunError, match="clothes-gan makes clothes from noise; it translates no images"):
            attempt()


@RUNS
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 2), (257, 130), (256, 256)])
def test_an_image_keeps_its_size(name: str, size: tuple[int, int], weights: Path) -> None:
    translation = load(weights, name).translate(make_photo(1, 300).resize(size), to="photo")
    assert (translation.mode, translation.size) == ("RGB", size)


@RUNS
@pytest.mark.parametrize("epoch", [1, 5])
def test_a_translation_is_the_plain_networks(name: str, epoch: int, weights: Path) -> None:
    translator, image = load(weights, name), make_photo(2)
    expected = plainly(translator.run, image, epoch)
    assert expected.std() > 1, "the outputs are too flat for the comparison to mean much"
    assert np.abs(pixels(translator.translate(image, to="photo", epoch=epoch)) - expected).max() <= 1


@RUNS
def test_bf16_stays_close(name: str, weights: Path) -> None:
    image = make_photo(3)
    half, full = (pixels(load(weights, name, each).translate(image, to="photo")) for each in ("bf16", "fp32"))
    assert 0 < np.abs(half - full).mean() < 2


def test_directions_have_their_own_networks(cyclegan: Translator) -> None:
    image = make_photo(4)
    to_labels, to_photo = (pixels(cyclegan.translate(image, to=target)) for target in ("labels", "photo"))
    assert np.abs(to_labels - to_photo).mean() > 1


@RUNS
def test_no_epoch_means_the_last(name: str, weights: Path) -> None:
    translator, image = load(weights, name), make_photo(5)
    results = [pixels(translator.translate(image, to="photo", epoch=epoch)) for epoch in (None, 5, 1)]
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


def test_no_epoch_means_the_best_of_the_direction_on_val(weights: Path, tmp_path: Path) -> None:
    shutil.copytree(weights / "facades-cyclegan", tmp_path / "facades-cyclegan")
    write_scores(tmp_path / "facades-cyclegan", {"val": {"directions": {"ba": {"best": {"epoch": 3}}}}})
    translator, image = load(tmp_path, "facades-cyclegan"), make_photo(5)
    for target, epoch in (("photo", 3), ("labels", 5)):
        chosen, named = (translator.translate(image, to=target, epoch=each) for each in (None, epoch))
        assert chosen.tobytes() == named.tobytes()
    models = Models.load([tmp_path / "facades-cyclegan"], precision="fp32")
    assert {route.target: models.models[0].default_epoch(route) for route in models.routes} == {"photo": 3, "labels": 5}


def test_a_translation_of_any_size_is_that_of_the_mirrored_image_cut(cyclegan: Translator) -> None:
    image = make_photo(6).crop((0, 0, 62, 45))
    mirrored = Image.fromarray(np.pad(np.asarray(image), ((0, 3), (0, 2), (0, 0)), mode="reflect"))
    assert (
        np.abs(pixels(cyclegan.translate(image, to="photo")) - plainly(cyclegan.run, mirrored, 5)[:45, :62]).max() <= 1
    )


def test_transparent_images_are_laid_over_white(cyclegan: Translator) -> None:
    photo = make_photo(7, 64)
    transparent = photo.copy()
    transparent.putalpha(Image.new("L", photo.size, 0))
    white = cyclegan.translate(Image.new("RGB", photo.size, "white"), to="photo")
    assert np.array_equal(pixels(cyclegan.translate(transparent, to="photo")), pixels(white))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_any_kind_of_image_is_taken(mode: str, cyclegan: Translator) -> None:
    assert cyclegan.translate(Image.new(mode, (16, 16)), to="photo").size == (16, 16)


def test_a_file_is_taken_too(cyclegan: Translator, tmp_path: Path) -> None:
    make_photo(1, 64).save(tmp_path / "photo.png")
    expected = pixels(cyclegan.translate(make_photo(1, 64), to="labels"))
    for source in (tmp_path / "photo.png", str(tmp_path / "photo.png")):
        assert np.array_equal(pixels(cyclegan.translate(source, to="labels")), expected)
    with pytest.raises(ImageError, match=r"other\.png does not exist"):
        cyclegan.translate(tmp_path / "other.png", to="labels")


def test_an_array_is_refused_with_the_remedy(cyclegan: Translator) -> None:
    with pytest.raises(TypeError, match=r"takes a PIL image .* not ndarray; .*PIL\.Image\.fromarray"):
        cyclegan.translate(np.zeros((8, 8, 3), np.uint8), to="labels")  # type: ignore[arg-type]


def test_too_large_an_image_is_refused(cyclegan: Translator) -> None:
    with pytest.raises(ImageError, match="10000x4001 pixels; the limit is 40 megapixels"):
        cyclegan.translate(Image.new("1", (10_000, 4001)), to="photo")


@pytest.mark.parametrize("size", [(0, 0), (0, 5)])
def test_an_empty_image_is_refused(size: tuple[int, int], cyclegan: Translator) -> None:
    with pytest.raises(ImageError, match="has no pixels"):
        cyclegan.translate(Image.new("RGB", size), to="photo")


@pytest.mark.parametrize(("channels", "mode"), [((1, 3), "L"), ((3, 1), "RGB")])
def test_grey_is_read_and_made(channels: tuple[int, int], mode: str, tmp_path: Path) -> None:
    generator = replace(TINY_PIX2PIX, in_channels=channels[0], out_channels=channels[1])
    config = Pix2PixConfig(dataset="facades", generator=generator)
    make_run(tmp_path / "run", config, epochs=(9,), sample_epochs=1)
    translator, photo = load(tmp_path, "run"), make_photo(4, 50)
    translation = translator.translate(photo, to="photo")
    assert (translation.mode, translation.size) == ("RGB", (50, 50))
    assert np.array_equal(pixels(translation), pixels(translator.translate(photo.convert(mode), to="photo")))
    assert (np.ptp(pixels(translation), axis=2).max() == 0) == (channels[1] == 1)
    assert pixels(translation).std() > 1


def test_colorization_keeps_the_lightness_of_the_image(tmp_path: Path) -> None:
    generator = replace(TINY_PIX2PIX, in_channels=1, out_channels=2)
    config = Pix2PixConfig(dataset="x", dataset_mode="colorization", direction="ab", generator=generator)
    run = make_run(tmp_path / "run", config, epochs=(2,), sample_epochs=1)
    grey = Image.fromarray(np.tile(np.arange(70, 186, dtype=np.uint8), (50, 1)))
    translation = load(tmp_path, "run").translate(grey, to="labels")
    lab = rgb_to_lab(np.asarray(translation))
    assert (translation.mode, translation.size) == ("RGB", (116, 50))
    assert np.abs(lab[..., 0] - rgb_to_lab(np.asarray(grey.convert("RGB")))[..., 0]).mean() < 0.2
    padded = np.pad(np.asarray(grey.convert("RGB")), ((0, 206), (0, 140), (0, 0)), mode="reflect")
    with torch.no_grad():
        predicted = for_translation(run.load_generator(2, "ab"))(encode(padded, "lightness")[None])[0, :, :50, :116]
    assert predicted.std() > 0.01, "the colours are too flat for the comparison to mean much"
    assert np.abs(lab[..., 1:] - 110 * predicted.permute(1, 2, 0).numpy()).mean() < 0.5


def test_dropout_is_off_unless_it_is_seeded(pix2pix: Translator) -> None:
    image = make_photo(8)
    first, other, again = (pixels(pix2pix.translate(image, to="photo", dropout_seed=seed)) for seed in (1, 2, 1))
    assert np.array_equal(first, again)
    off = [pixels(pix2pix.translate(image, to="photo")) for _ in range(2)]
    assert np.array_equal(off[0], off[1])
    for one, two in ((first, other), (first, off[0])):
        assert np.abs(one - two).mean() > 0.1


def test_without_dropout_a_seed_changes_nothing(cyclegan: Translator) -> None:
    image = make_photo(9, 64)
    seeded, plain = (pixels(cyclegan.translate(image, to="photo", dropout_seed=seed)) for seed in (1, None))
    assert np.array_equal(seeded, plain)


@pytest.mark.parametrize("seed", [None, 3])
def test_the_global_random_state_is_left_alone(seed: int | None, pix2pix: Translator) -> None:
    before = torch.get_rng_state()
    pix2pix.translate(make_photo(1), to="photo", dropout_seed=seed)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_failed_translation_leaves_dropout_off(pix2pix: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    image = make_photo(1)
    before = pixels(pix2pix.translate(image, to="photo"))
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="out of memory"):
        patch.setattr(torch.nn.Tanh, "forward", failing)
        pix2pix.translate(image, to="photo", dropout_seed=1)
    assert np.array_equal(pixels(pix2pix.translate(image, to="photo")), before)


def failing(*_: object) -> None:
    raise RuntimeError("out of memory")


def test_threads_do_not_disturb_each_other(pix2pix: Translator, weights: Path) -> None:
    """Nor do several translators, though dropout draws from a random state that they share."""
    image = make_photo(2)
    translators = [pix2pix, load(weights, "facades-pix2pix")]
    jobs = [(epoch, seed, which) for epoch in (1, 2, 5) for seed in (None, 1, 2) for which in (0, 1)] * 2

    def work(job: tuple[int, int | None, int]) -> np.ndarray:
        epoch, seed, which = job
        return pixels(translators[which].translate(image, to="photo", epoch=epoch, dropout_seed=seed))

    expected = {job: work(job) for job in set(jobs)}
    with ThreadPoolExecutor(4) as executor:
        results = list(executor.map(work, jobs))
    assert all(np.array_equal(result, expected[job]) for job, result in zip(jobs, results, strict=True))


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The epochs whose weights are read, in order."""
    epochs: list[int] = []
    read = Run.load_generator

    def note(self: Run, epoch: int, direction: str) -> torch.nn.Module:
        epochs.append(epoch)
        return read(self, epoch, direction)  # type: ignore[arg-type]

    monkeypatch.setattr(Run, "load_generator", note)
    yield epochs


def test_networks_are_kept_up_to_a_limit_and_the_longest_unused_goes(tmp_path: Path, loaded: list[int]) -> None:
    epochs = tuple(range(1, CACHED_NETWORKS + 2))
    config = Pix2PixConfig(dataset="facades", generator=TINY_PIX2PIX)
    translator = Translator.load(
        make_run(tmp_path / "run", config, epochs=epochs, sample_epochs=1).folder, precision="fp32"
    )

    def use(*chosen: int) -> None:
        for epoch in chosen:
            translator.translate(make_photo(1, 8), to="photo", epoch=epoch)

    use(*epochs[:-1], 1)
    assert loaded == list(epochs[:-1])
    use(epochs[-1], 1)
    assert loaded == list(epochs), "the network used last was given up"
    use(2)
    assert loaded == [*epochs, 2], "more networks are kept than the limit"


def test_mistakes_are_answered_with_the_choices(cyclegan: Translator) -> None:
    with pytest.raises(RunError, match="to 'b'; it translates to 'labels', 'photo'"):
        cyclegan.translate(make_photo(1, 8), to="b")
    with pytest.raises(RunError, match="has no epoch 2; it has 1, 3, 5"):
        cyclegan.translate(make_photo(1, 8), to="photo", epoch=2)


def test_damaged_weights_are_named_and_can_be_replaced(tmp_path: Path) -> None:
    config = Pix2PixConfig(dataset="facades", generator=TINY_PIX2PIX)
    run = make_run(tmp_path / "run", config, epochs=(1,), sample_epochs=1)
    path = run.snapshot_folder(1, "ba") / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    translator = load(tmp_path, "run")
    with pytest.raises(WeightsError, match=f"{path} is damaged"):
        translator.translate(make_photo(1, 8), to="photo")
    path.write_bytes(whole)
    assert translator.translate(make_photo(1, 8), to="photo").size == (8, 8)


def test_networks_that_were_trained_anew_take_the_place_of_the_old_ones(tmp_path: Path) -> None:
    config = Pix2PixConfig(dataset="facades", generator=TINY_PIX2PIX)
    run = make_run(tmp_path / "run", config, epochs=(1, 2), sample_epochs=0)
    translator = load(tmp_path, "run")
    first, second = (translator.translate(make_photo(1, 8), to="photo", epoch=epoch) for epoch in (1, 2))
    shutil.copytree(run.snapshot_folder(2, "ba"), run.snapshot_folder(1, "ba"), dirs_exist_ok=True)
    assert first != second == translator.translate(make_photo(1, 8), to="photo", epoch=1)


def test_a_device_that_is_not_there_is_refused(weights: Path) -> None:
    with pytest.raises(ConfigError, match="device 'abacus' is not available here"):
        Translator.load(weights / "facades-pix2pix", device="abacus")


def test_the_device_and_precision_are_the_wanted_ones(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def choose(device: torch.device, wanted: str) -> torch.dtype:
        asked.append((device.type, wanted))
        return torch.float64

    monkeypatch.setattr(translate, "choose_precision", choose)
    translator = Translator.load(weights / "facades-pix2pix", device="cpu")
    assert (translator.device, translator.dtype, asked) == (torch.device("cpu"), torch.float64, [("cpu", "auto")])


@pytest.mark.parametrize("size", [(200, 150), (259, 301)])
@RUNS
def test_a_large_image_is_translated_by_bands_without_seams(
    name: str, size: tuple[int, int], weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = make_photo(5, 320).crop((0, 0, *size))
    expected = load(weights, name).translate(image, to="photo")
    shares: list[float] = []
    monkeypatch.setattr(translate, "WHOLE_PIXELS", 20_000)
    monkeypatch.setattr(bands, "BAND_VALUES", 20_000)
    made = load(weights, name).translate(image, to="photo", on_progress=shares.append)
    assert np.abs(pixels(made) - pixels(expected)).max() <= 1, "rounding"
    assert shares[-1] == pytest.approx(1)


def test_a_long_narrow_image_is_as_large_as_what_the_network_computes(pix2pix: Translator) -> None:
    """A U-Net needs 256 pixels a side."""
    shares: list[float] = []
    made = pix2pix.translate(make_photo(5, 64).resize((8200, 4)), to="photo", on_progress=shares.append)
    assert made.size == (8200, 4) and len(shares) > 2, "by bands"
    assert not pix2pix.is_small(8200, 4) and pix2pix.is_small(300, 200)


def test_what_progress_raises_ends_the_translation(cyclegan: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "WHOLE_PIXELS", 1000)

    def cancel(share: float) -> None:
        if share:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        cyclegan.translate(make_photo(1, 64), to="photo", on_progress=cancel)
    assert cyclegan.translate(make_photo(1, 64), to="photo").size == (64, 64)


def test_colorization_by_bands_keeps_the_lightness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = replace(TINY_PIX2PIX, in_channels=1, out_channels=2)
    config = Pix2PixConfig(dataset="facades", dataset_mode="colorization", direction="ab", generator=generator)
    make_run(tmp_path / "colours", config, epochs=(1,), sample_epochs=0)
    image = make_photo(5, 260)
    expected = load(tmp_path, "colours").translate(image, to="labels")
    monkeypatch.setattr(translate, "WHOLE_PIXELS", 1000)
    monkeypatch.setattr(bands, "BAND_VALUES", 20_000)
    made = load(tmp_path, "colours").translate(image, to="labels")
    assert np.abs(pixels(made) - pixels(expected)).max() <= 2, "rounding"


def test_a_full_folder_of_temporary_files_is_said(cyclegan: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(translate, "WHOLE_PIXELS", 1000)
    monkeypatch.setattr("cyclegan.translate.bands._Scratch.append", full)
    with pytest.raises(ImageError, match=r"no room for an image of 64x64 pixels in .*TMPDIR"):
        cyclegan.translate(make_photo(1, 64), to="photo")


def test_dropout_is_for_images_that_are_translated_at_once(
    pix2pix: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translate, "WHOLE_PIXELS", 1_000)
    with pytest.raises(ImageError, match=r"64x64; dropout_seed works up to 0\.001 megapixels"):
        pix2pix.translate(make_photo(1, 64), to="photo", dropout_seed=1)
