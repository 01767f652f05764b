"""The loopback Hub is one for the real client: both ways, errors by name, failures on demand."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants, hf_hub_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import RepoFile

from tests.hub_server import TOKEN, LoopbackHub

LARGE = bytes(range(256)) * 4000


def fetch(name: str, path: str, revision: str = "main", token: str | bool = False) -> bytes:
    return Path(hf_hub_download(name, path, revision=revision, token=token)).read_bytes()


def test_what_was_committed_comes_back_byte_for_byte(hub: LoopbackHub) -> None:
    api = HfApi(token=TOKEN)
    api.create_repo("owner/run")
    files = {"README.md": b"---\nlicense: mit\n---\n", "snapshots/0001/ab/model.safetensors": LARGE}
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    done = api.create_commit("owner/run", operations, commit_message="all at once")
    found = api.model_info("owner/run", files_metadata=True)
    assert found.sha == done.oid and len(hub.repositories["model", "owner/run"].commits) == 2
    assert {each.rfilename for each in found.siblings or ()} == {*files, ".gitattributes"}
    tree = api.list_repo_tree("owner/run", recursive=True)
    assert {each.path for each in tree if isinstance(each, RepoFile)} == {*files, ".gitattributes"}
    for path, content in files.items():
        assert fetch("owner/run", path, done.oid) == content
    assert all(asked.token is None for asked in hub.requests if asked.cdn)


def test_errors_have_the_names_that_the_client_knows(hub: LoopbackHub) -> None:
    hub.publish("owner/open", {"a": b"1"})
    hub.publish("owner/secret", {"a": b"1"}, private=True)
    hub.publish("owner/gated", {"a": b"1"}, gated=True)
    with pytest.raises(RepositoryNotFoundError):
        HfApi().model_info("owner/none")
    with pytest.raises(RepositoryNotFoundError):
        HfApi().model_info("owner/secret")
    assert HfApi(token=TOKEN).model_info("owner/secret").private
    with pytest.raises(GatedRepoError):
        fetch("owner/gated", "a", token=TOKEN)
    with pytest.raises(RevisionNotFoundError):
        fetch("owner/open", "a", "v9")
    with pytest.raises(HfHubHTTPError, match="401"):
        HfApi(token="hf_wrong").model_info("owner/open")
    hub.fail("GET /api/models/owner/open", times=1, status=429, headers={"Retry-After": "7"})
    with pytest.raises(HfHubHTTPError) as refused:
        HfApi().model_info("owner/open")
    assert refused.value.response.headers["Retry-After"] == "7"
    assert HfApi().model_info("owner/open").sha


def test_a_cut_transfer_goes_on_where_it_was(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 500)  # what a file keeps of a broken transfer: whole chunks
    hub.publish("owner/run", {"model.safetensors": LARGE})
    hub.fail("GET /large/", times=1, truncate=1000)
    assert fetch("owner/run", "model.safetensors") == LARGE
    assert [asked.range for asked in hub.requests if asked.cdn] == [None, "bytes=1000-"]


def test_it_goes_away_in_the_middle_and_comes_back(hub: LoopbackHub) -> None:
    hub.publish("owner/run", {"model.safetensors": LARGE})
    hub.fail("GET /large/", times=1, truncate=1000, stall=True)
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(fetch("owner/run", "model.safetensors")))
    thread.start()
    assert hub.stalled.wait(10)
    hub.stop()
    hub.start()
    thread.join(20)
    assert got == [LARGE]


def test_it_can_be_stopped_as_soon_as_it_is_started(hub: LoopbackHub) -> None:
    for _ in range(20):
        hub.stop()
        hub.start()
