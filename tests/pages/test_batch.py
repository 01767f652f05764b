"""Many pictures: what is found in uploads, what is refused, and what is packed under which name."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan.facades.labels import PALETTE, draw_facade
from cyclegan.pages.errors import Refusal
from cyclegan.pages.models import Models, Route
from cyclegan.pages.more import batch
from cyclegan.pages.more.batch import Done, Pack, Skipped, Upload, gather, refused_files, translate_all
from tests.conftest import make_photo

TO_PHOTO, TO_LABELS = Route("labels", "photo"), Route("photo", "labels")


def png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def zipped(path: Path, members: Mapping[str, bytes]) -> Upload:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return Upload(path, path.name)


def kept(path: Path, content: bytes) -> Upload:
    path.write_bytes(content)
    return Upload(path, path.name)


class TestGather:
    def test_files_and_zips_with_subfolders_keep_their_names(self, tmp_path: Path) -> None:
        uploads = [
            kept(tmp_path / "집 (1).png", png(draw_facade(1))),
            zipped(tmp_path / "houses.zip", {"old/a.png": png(draw_facade(2)), "old/new/사진.jpg": b"", "b.png": b"x"}),
        ]
        found, skipped = gather(uploads, tmp_path)
        assert [file.name for file in found] == ["집 (1).png", "b.png", "old/a.png", "old/new/사진.jpg"]
        assert skipped == []
        assert found[2].path.read_bytes() == png(draw_facade(2))

    def test_what_systems_leave_in_zips_is_passed_over(self, tmp_path: Path) -> None:
        junk = {"__MACOSX/._a.png": b"x", ".DS_Store": b"x", "old/.hidden/b.png": b"x", "a.png": b"y"}
        found, _ = gather([zipped(tmp_path / "mac.zip", junk)], tmp_path)
        assert [file.name for file in found] == ["a.png"]

    @pytest.mark.parametrize("name", ["../../evil.png", "/etc/evil.png", "C:/evil.png", "a/..\\..\\evil.png"])
    def test_a_zip_that_leads_out_of_its_folder_is_left_out_and_nothing_written(
        self, name: str, tmp_path: Path
    ) -> None:
        room = tmp_path / "a" / "b"
        room.mkdir(parents=True)
        upload = zipped(tmp_path / "evil.zip", {"fine.png": b"x", name: b"x"})
        found, (skipped,) = gather([upload], room)
        assert found == [] and skipped.name == "evil.zip" and "unsafe names" in skipped.reason.en
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == [upload.path]

    def test_a_zip_bomb_is_left_out(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(batch, "MAX_MEGABYTES", 1)
        bomb = zipped(tmp_path / "bomb.zip", {"a.png": bytes(1_000_001)})
        assert bomb.path.stat().st_size < 5_000
        found, (skipped,) = gather([bomb, kept(tmp_path / "b.png", b"x")], tmp_path)
        assert skipped.name == "bomb.zip" and "more than 1 MB" in skipped.reason.en
        assert [file.name for file in found] == ["b.png"]

    def test_too_many_members_are_left_out(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(batch, "MAX_MEMBERS", 3)
        found, skipped = gather([zipped(tmp_path / "many.zip", {f"{index}.png": b"x" for index in range(4)})], tmp_path)
        assert found == [] and [each.name for each in skipped] == ["many.zip"]

    def test_a_damaged_zip_is_left_out(self, tmp_path: Path) -> None:
        whole = zipped(tmp_path / "whole.zip", {"a.png": png(make_photo(1))})
        cut = kept(tmp_path / "cut.zip", whole.path.read_bytes()[:-30])
        found, skipped = gather([cut], tmp_path)
        assert found == [] and [each.name for each in skipped] == ["cut.zip"]

    def test_limits_are_said_with_value_and_remedy(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(batch, "MAX_PICTURES", 2)
        files = [kept(tmp_path / f"{index}.png", bytes(400_000)) for index in range(3)]
        with pytest.raises(Refusal, match="3 files are too many; the limit is 2"):
            gather(files, tmp_path)
        monkeypatch.setattr(batch, "MAX_MEGABYTES", 1)
        with pytest.raises(Refusal, match="larger than 1 MB together"):
            gather(files, tmp_path)

    def test_nothing_is_asked_for(self, tmp_path: Path) -> None:
        with pytest.raises(Refusal, match="Choose pictures or a zip first"):
            gather([], tmp_path)


class TestTranslate:
    def test_each_picture_as_the_model_alone_would_and_bad_ones_with_a_reason(
        self, models: Models, tmp_path: Path
    ) -> None:
        files = [
            kept(tmp_path / "small.png", png(draw_facade(1).resize((90, 70), Image.Resampling.NEAREST))),
            kept(tmp_path / "text.png", b"this is no picture"),
            kept(tmp_path / "cut.png", png(make_photo(1))[:900]),
            kept(tmp_path / "bomb.png", png(Image.new("1", (11000, 11000)))),
        ]
        done, *bad = list(translate_all(files, models.models[1], TO_PHOTO))
        assert isinstance(done, Done) and done.name == "small.png" and done.note is None
        with Image.open(files[0].path) as image:
            alone = models.models[1].translate(image.convert("RGB"), TO_PHOTO, 5)
        assert done.image.size == (90, 70) and done.image.tobytes() == alone.tobytes()
        assert all(isinstance(each, Skipped) for each in bad)
        reasons = refused_files([each for each in bad if isinstance(each, Skipped)])
        assert [each["name"] for each in reasons] == ["text.png", "cut.png", "bomb.png"]
        for each, words in zip(reasons, ("not an image", "damaged", "too many pixels"), strict=True):
            assert words in each["reason"]

    def test_one_at_a_time(self, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        files = [kept(tmp_path / f"{index}.png", png(draw_facade(index))) for index in range(2)]
        results = translate_all(files, models.models[1], TO_PHOTO)
        assert isinstance(next(results), Done)
        files[1].path.unlink()
        assert isinstance(next(results), Skipped)

    def test_a_shrunk_picture_is_said(self, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cyclegan.pages.inputs.shrink", lambda image, limit: image.resize((64, 64)))
        (done,) = translate_all([kept(tmp_path / "a.png", png(make_photo(1)))], models.models[0], TO_LABELS)
        assert isinstance(done, Done) and done.note is not None
        assert "from 256 x 256 to 64 x 64" in done.note.en


class TestPack:
    def test_names_and_subfolders_stay_and_no_picture_takes_the_place_of_another(self, tmp_path: Path) -> None:
        picture = draw_facade(1)
        with Pack(tmp_path / "out.zip") as pack:
            names = [pack.add(name, picture) for name in ("a/집.jpg", "a/집.png", "A/집.webp", "b.tar.jpg", "b")]
        assert names == ["a/집.png", "a/집 (2).png", "A/집 (3).png", "b.tar.png", "b.png"]
        with zipfile.ZipFile(tmp_path / "out.zip") as file:
            assert file.namelist() == names and file.testzip() is None

    def test_label_maps_keep_every_colour(self, tmp_path: Path) -> None:
        with Pack(tmp_path / "out.zip") as pack:
            pack.add("a.jpg", draw_facade(1))
        with zipfile.ZipFile(tmp_path / "out.zip") as file, Image.open(file.open("a.png")) as image:
            colours = {tuple(colour) for colour in np.asarray(image).reshape(-1, 3).tolist()}
        assert colours <= {tuple(colour) for colour in PALETTE.tolist()}
