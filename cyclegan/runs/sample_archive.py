"""All sample images of a run in one file: fetched one by one they take two requests each, this takes two in all."""

from __future__ import annotations

import errno
import io
import re
import zipfile
from pathlib import Path

from cyclegan.runs.run import Run, RunError
from cyclegan.runtime.files import write_atomically

NAME = "samples.zip"
"""Its place in a repository on the Hub, beside run.json."""
_MEMBER = re.compile(r"[0-9]{4,6}\.webp")


def pack_samples(run: Run) -> bytes:
    """The samples of every epoch as an uncompressed zip, the same bytes for the same samples."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for epoch in run.sample_epochs:
            path = run.sample_path(epoch)
            archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes())
    return content.getvalue()


def unpack_samples(archive: Path, folder: Path) -> None:
    """Put the samples in an archive into the folder of a run, where they are not there yet.

    Raises RunError where the file is damaged, or holds anything but sample images, OSError where the disk refuses.
    """
    samples = folder / "samples"
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            if sum(member.file_size for member in members) > archive.stat().st_size:
                raise RunError(f"{archive} unpacks to more than it holds; pack the samples again")
            for member in members:
                if not _MEMBER.fullmatch(member.filename):
                    raise RunError(f"{archive} holds {member.filename[:80]!r}, which is no sample of an epoch")
            samples.mkdir(exist_ok=True)
            for member in members:
                if not (samples / member.filename).exists():
                    write_atomically(samples / member.filename, opened.read(member))
    except RunError:
        raise
    except Exception as error:  # zipfile raises whatever a damaged file makes it meet, and seeks wherever it points
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise RunError(f"{archive} is damaged ({error}); pack the samples again") from None
