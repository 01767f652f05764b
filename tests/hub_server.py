"""A Hub on the loopback: what huggingface_hub asks of the real one, and failures on demand.

Repositories are in memory. As on the real Hub, large files (those of `LFS_SUFFIXES`) come from another host, to which
no token may go: here another port, whose requests the log marks with `cdn`. `HF_ENDPOINT`, set in conftest before
anything imports huggingface_hub, names the port, so that a Hub that was stopped can come back at the same address.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import secrets
import socket
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LFS_SUFFIXES = (".safetensors", ".parquet", ".pth", ".pt", ".bin", ".zip", ".webp", ".png", ".jpg", ".gif", ".mp4")
TOKEN = "hf_loopbackTokenOfTheTests"
USER = "owner"


@dataclass(frozen=True)
class Blob:
    """A file's content."""

    content: bytes
    lfs: bool

    @classmethod
    def of(cls, path: str, content: bytes) -> Blob:
        return cls(content, path.endswith(LFS_SUFFIXES))

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def git_oid(self) -> str:
        """Of a large file, that of the pointer which git keeps in its stead."""
        kept = self.pointer if self.lfs else self.content
        return hashlib.sha1(b"blob %d\0" % len(kept) + kept).hexdigest()

    @property
    def pointer(self) -> bytes:
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.content)}\n"
        return text.encode()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.git_oid


@dataclass(frozen=True)
class Commit:
    oid: str
    message: str
    files: Mapping[str, Blob]


@dataclass
class Repository:
    kind: str
    """model, dataset or space."""
    name: str
    private: bool = False
    gated: bool = False
    sdk: str | None = None
    commits: list[Commit] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, bytes]:
        """The newest content of every file."""
        return {path: blob.content for path, blob in self.commits[-1].files.items()}

    def commit(self, message: str, files: Mapping[str, Blob]) -> Commit:
        self.commits.append(Commit(secrets.token_hex(20), message, dict(files)))
        return self.commits[-1]

    def find(self, revision: str) -> Commit | None:
        if revision == "main":
            return self.commits[-1]
        wanted = self.tags.get(revision, revision)
        return next((commit for commit in self.commits if commit.oid == wanted), None)


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose "METHOD /path" matches the pattern (all of them for None).

    With `status` the answer is that error. Otherwise the request is answered, but: `wait` seconds late; whole whatever
    range was asked for (`whole`); without its length (`chunked`); with the bytes of its body inverted (`garble`); with
    only the first bytes of it (`truncate`), after which the connection is cut,
    or, with `stall`, nothing more comes until the Hub is stopped.
    """

    pattern: str
    times: int | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    whole: bool = False
    chunked: bool = False
    garble: bool = False
    truncate: int | None = None
    stall: bool = False


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    token: str | None
    range: str | None
    cdn: bool
    """Whether the host of the large files was asked, which is not the Hub."""


_holders: list[socket.socket] = []
"""Bound, but not listening."""


class LoopbackHub:
    """The Hub; use as a context manager, or `start` and `stop` it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cdn_port = free_port()
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.large: dict[str, bytes] = {}
        """Uploaded large files by sha256, whether or not a commit names them."""
        self.xet = False
        """Whether large files are offered by Xet, for which the client sends its token to the host that is named."""
        self.faults: list[Fault] = []
        self.requests: list[Asked] = []
        self.stalled = threading.Event()
        """Set when a request stalls."""
        self.lock = threading.Lock()
        self._app = _Faulty(self, make_app(self))
        self._servers: list[tuple[uvicorn.Server, threading.Thread, list[asyncio.AbstractEventLoop]]] = []

    def __enter__(self) -> LoopbackHub:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def cdn_url(self) -> str:
        return f"http://127.0.0.1:{self.cdn_port}"

    def start(self) -> None:
        for port in (self.port, self.cdn_port):
            config = uvicorn.Config(
                self._app, host="127.0.0.1", port=port, log_level="critical", lifespan="off", ws="none"
            )
            server, loops = uvicorn.Server(config), list[asyncio.AbstractEventLoop]()
            listening = socket.create_server(("127.0.0.1", port))
            thread = threading.Thread(target=_serve, args=(server, listening, loops), daemon=True)
            thread.start()
            self._servers.append((server, thread, loops))
        for server, thread, _ in self._servers:  # `stop` may follow at once, and needs their loops
            while thread.is_alive() and not server.started:
                time.sleep(0.001)

    def stop(self) -> None:
        """Go away, in the middle of answers too; what was committed is still there after `start`."""
        for server, _, loops in self._servers:  # first of all: who is cut off tries again at once
            asyncio.run_coroutine_threadsafe(_accept_no_more(server), loops[0]).result(10)
            server.should_exit = server.force_exit = True
        for server, thread, loops in self._servers:
            for connection in list(server.server_state.connections):
                loops[0].call_soon_threadsafe(connection.transport.abort)
            thread.join(10)
        self._servers.clear()
        self.stalled.clear()

    def publish(self, name: str, files: Mapping[str, bytes], *, kind: str = "model", **options: Any) -> str:
        """Put files into a repository, created if it is not there, without a request. Returns the commit."""
        repository = self.repositories.setdefault((kind, name), Repository(kind, name, **options))
        blobs = {path: Blob.of(path, content) for path, content in files.items()}
        self.large |= {blob.sha256: blob.content for blob in blobs.values() if blob.lfs}
        before = repository.commits[-1].files if repository.commits else {}
        return repository.commit("published", {**before, **blobs}).oid

    def publish_folder(self, name: str, folder: Path, **options: Any) -> str:
        """The same with all files of a folder."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return self.publish(name, {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}, **options)

    def fail(self, pattern: str, times: int | None = None, **what: Any) -> Fault:
        """Let requests fail; `what` as in `Fault`."""
        self.faults.append(Fault(pattern, times, **what))
        return self.faults[-1]

    def count(self, pattern: str = "") -> int:
        """Requests so far whose "METHOD /path" matches."""
        return sum(re.search(pattern, f"{asked.method} {asked.path}") is not None for asked in self.requests)


def free_port() -> int:
    """A port of the loopback that nobody listens at."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


def held_port() -> int:
    """A port that nobody else is given for as long as this process lives, and that it can listen at itself."""
    if sys.platform != "linux":  # elsewhere it could not
        return free_port()
    holder = socket.socket()
    _holders.append(holder)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return int(holder.getsockname()[1])


def make_app(hub: LoopbackHub) -> FastAPI:
    """The endpoints that huggingface_hub 2.4 and datasets 5.2 use."""
    app = FastAPI(openapi_url=None)

    def refusal(status: int, code: str = "", message: str = "", **headers: str) -> HTTPException:
        headers |= {"X-Error-Code": code, "X-Error-Message": message or code}
        return HTTPException(status, message, {name.replace("_", "-"): text for name, text in headers.items() if text})

    def token_of(request: Request) -> str | None:
        return request.headers.get("authorization", "").removeprefix("Bearer ") or None

    def find(request: Request, kind: str, name: str, revision: str = "main") -> tuple[Repository, Commit]:
        """A repository and a commit of it. Raises the answer of the real Hub if there is none for this visitor."""
        token = token_of(request)
        if token not in (None, TOKEN):
            raise refusal(401, "", "Invalid credentials in Authorization header")
        repository = hub.repositories.get((kind.removesuffix("s"), name))
        if repository is None or (repository.private and token is None):
            # The real Hub does not say which of the two it is to a visitor without a token.
            raise refusal(404 if token else 401, "RepoNotFound", "Repository not found")
        commit = repository.find(revision)
        if commit is None:
            raise refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repository, commit

    def locked(request: Request) -> HTTPException:
        return refusal(403 if token_of(request) else 401, "GatedRepo", "Access to this repository is restricted")

    def writable(request: Request, kind: str, name: str) -> Repository:
        if token_of(request) is None:
            raise refusal(401, "", "Invalid username or password.")
        found = find(request, kind, name)
        if not name.startswith(f"{USER}/"):
            raise refusal(403, "", "You don't have the rights to write here")
        return found[0]

    def listed(path: str, blob: Blob) -> dict[str, Any]:
        entry = {"type": "file", "path": path, "oid": blob.git_oid, "size": len(blob.content)}
        lfs = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": len(blob.pointer)}
        return {**entry, "lfs": lfs} if blob.lfs else entry

    def contents(commit: Commit, folder: str, *, recursive: bool) -> list[dict[str, Any]]:
        """Files and folders in a folder, or below it."""
        inside = f"{folder}/" if folder else ""
        entries = {}
        for path, blob in sorted(commit.files.items()):
            if path.startswith(inside):
                depths = [index for index, letter in enumerate(path) if letter == "/" and index >= len(inside)]
                for depth in depths if recursive else depths[:1]:
                    entries[path[:depth]] = {"type": "directory", "path": path[:depth], "oid": "0" * 40, "size": 0}
                if recursive or not depths:
                    entries[path] = listed(path, blob)
        return list(entries.values())

    @app.post("/api/repos/create")
    async def create(request: Request) -> Any:
        asked = await request.json()
        kind, name = asked.get("type") or "model", f"{asked.get('organization') or USER}/{asked['name']}"
        if token_of(request) != TOKEN:
            raise refusal(401, "", "Invalid username or password.")
        if not name.startswith(f"{USER}/"):
            raise refusal(403, "", f"You don't have the rights to create a model under the namespace {name}")
        url = f"{hub.url}/{'' if kind == 'model' else kind + 's/'}{name}"
        with hub.lock:
            if (kind, name) in hub.repositories:
                body = {"error": "You already created this model repo", "url": url}
                return Response(json.dumps(body), 409, media_type="application/json")
            private = asked.get("visibility") == "private" or bool(asked.get("private"))
            repository = Repository(kind, name, private=private, sdk=asked.get("sdk"))
            files = {".gitattributes": Blob(b"*.safetensors filter=lfs\n", False)}
            if kind == "space":
                files["README.md"] = Blob(b"---\ntitle: Demo\nsdk: gradio\n---\nCheck out the reference.\n", False)
            repository.commit("initial commit", files)
            hub.repositories[kind, name] = repository
        return {"url": url, "name": name, "id": name}

    @app.post("/api/validate-yaml")
    def validate_yaml() -> Any:
        return {"errors": [], "warnings": []}

    @app.get("/api/{kind}/{owner}/{name}/auth-check")
    def may_read(request: Request, kind: str, owner: str, name: str) -> Any:
        found = find(request, kind, f"{owner}/{name}")
        if found[0].gated:
            raise locked(request)
        return {}

    @app.get("/api/{kind}/{owner}/{name}/auth-check/write")
    def may_write(request: Request, kind: str, owner: str, name: str) -> Any:
        writable(request, kind, f"{owner}/{name}")
        return {}

    @app.post("/api/{kind}/{owner}/{name}/preupload/{revision:path}")
    async def preupload(request: Request, kind: str, owner: str, name: str, revision: str) -> Any:
        asked = await request.json()
        repository = writable(request, kind, f"{owner}/{name}")
        there = repository.commits[-1].files
        return {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if Blob.of(file["path"], b"").lfs or file["size"] > 10e6 else "regular",
                    "shouldIgnore": False,
                    "oid": there[file["path"]].etag if file["path"] in there else None,
                }
                for file in asked["files"]
            ]
        }

    @app.post("/{path:path}.git/info/lfs/objects/batch")
    async def batch(request: Request, path: str) -> Any:
        asked = await request.json()
        writable(request, *_split(path))
        objects = []
        for each in asked["objects"]:
            actions = {"upload": {"href": f"{hub.cdn_url}/upload/{each['oid']}"}}
            objects.append({**each, **({} if each["oid"] in hub.large else {"actions": actions})})
        return {"transfer": "basic", "objects": objects}

    @app.put("/upload/{oid}")
    async def upload(request: Request, oid: str) -> Response:
        hub.large[oid] = await request.body()
        return Response()

    @app.post("/api/{kind}/{owner}/{name}/commit/{revision:path}")
    async def commit(request: Request, kind: str, owner: str, name: str, revision: str) -> Any:
        lines = [json.loads(line) for line in (await request.body()).splitlines()]
        repository = writable(request, kind, f"{owner}/{name}")
        header = lines[0]["value"]
        with hub.lock:
            parent = header.get("parentCommit")
            if parent is not None and parent != repository.commits[-1].oid:
                raise refusal(412, "", "A commit has happened since. Please refresh and try again.")
            files = dict(repository.commits[-1].files)
            for line in lines[1:]:
                value, path = line["value"], line["value"]["path"]
                if line["key"] == "file":
                    files[path] = Blob(base64.b64decode(value["content"]), False)
                elif line["key"] == "lfsFile":
                    files[path] = Blob(hub.large[value["oid"]], True)
                elif line["key"] == "deletedFile":
                    del files[path]
            done = repository.commit(header["summary"], files)
        url = f"{hub.url}/{repository.name}/commit/{done.oid}"
        return {"success": True, "commitUrl": url, "commitOid": done.oid, "hookOutput": "", "pullRequestUrl": None}

    @app.get("/api/{kind}/{owner}/{name}/tree/{revision}")
    @app.get("/api/{kind}/{owner}/{name}/tree/{revision}/{folder:path}")
    def tree(request: Request, kind: str, owner: str, name: str, revision: str, folder: str = "") -> Any:
        found = find(request, kind, f"{owner}/{name}", revision)
        entries = contents(found[1], folder, recursive=request.query_params.get("recursive") == "true")
        if folder and not entries:
            raise refusal(404, "EntryNotFound", f"{folder} does not exist on {revision}")
        return entries

    @app.post("/api/{kind}/{owner}/{name}/paths-info/{revision}")
    async def paths_info(request: Request, kind: str, owner: str, name: str, revision: str) -> Any:
        asked = await request.form()
        found = find(request, kind, f"{owner}/{name}", revision)
        entries = {each["path"]: each for each in contents(found[1], "", recursive=True)}
        return [entries[str(path)] for path in asked.getlist("paths") if path in entries]

    @app.get("/api/{kind}/{owner}/{name}")
    @app.get("/api/{kind}/{owner}/{name}/revision/{revision:path}")
    def info(request: Request, kind: str, owner: str, name: str, revision: str = "main") -> Any:
        found = find(request, kind, f"{owner}/{name}", revision)
        repository, commit = found
        siblings = []
        for path, blob in sorted(commit.files.items()):
            entry = listed(path, blob)
            lfs = {"sha256": blob.sha256, "size": entry["size"], "pointerSize": len(blob.pointer)}
            sized = {"size": entry["size"], "blobId": entry["oid"], **({"lfs": lfs} if blob.lfs else {})}
            siblings.append({"rfilename": path, **(sized if "blobs" in request.query_params else {})})
        told = {"id": repository.name, "sha": commit.oid, "private": repository.private, "siblings": siblings}
        return {**told, "gated": "manual" if repository.gated else False, "tags": [], "downloads": 0, "likes": 0}

    @app.api_route("/{place:path}/resolve/{revision}/{path:path}", methods=["GET", "HEAD"])
    def resolve(request: Request, place: str, revision: str, path: str) -> Response:
        found = find(request, *_split(place), revision)
        repository, commit = found
        if repository.gated:
            raise locked(request)
        if path not in commit.files:
            raise refusal(404, "EntryNotFound", "Entry not found", X_Repo_Commit=commit.oid)
        blob = commit.files[path]
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{blob.etag}"', "Accept-Ranges": "bytes"}
        if not blob.lfs:
            return _content(request, blob.content, headers)
        if hub.xet:
            headers |= {"X-Xet-Hash": blob.sha256, "Link": f'<{hub.cdn_url}/xet-token>; rel="xet-auth"'}
        linked = {"X-Linked-Etag": f'"{blob.sha256}"', "X-Linked-Size": str(len(blob.content))}
        return Response(None, 302, {**headers, **linked, "Location": f"{hub.cdn_url}/large/{blob.sha256}"})

    @app.api_route("/large/{oid}", methods=["GET", "HEAD"])
    def large(request: Request, oid: str) -> Response:
        return _content(request, hub.large[oid], {"ETag": f'"{oid}"', "Accept-Ranges": "bytes"})

    return app


def _split(path: str) -> tuple[str, str]:
    """Kind and name of the repository that a path means: models have no prefix."""
    kind, _, rest = path.partition("/")
    return (kind, rest) if kind in ("datasets", "spaces") else ("models", path)


def _content(request: Request, content: bytes, headers: dict[str, str]) -> Response:
    """The bytes, or those that the Range header names."""
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if asked is None:
        return Response(content, 200, headers, "application/octet-stream")
    first = int(asked[1])
    if first >= len(content):
        return Response(None, 416, {"Content-Range": f"bytes */{len(content)}"})
    part = content[first : int(asked[2]) + 1 if asked[2] else None]
    extent = {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(content)}"}
    return Response(part, 206, {**headers, **extent}, "application/octet-stream")


class _Faulty:
    """The app with its log and its faults."""

    def __init__(self, hub: LoopbackHub, app: ASGIApp) -> None:
        self.hub = hub
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        headers, hub = request.headers, self.hub
        token = headers.get("authorization", "").removeprefix("Bearer ") or None
        asked = Asked(request.method, scope["path"], token, headers.get("range"), request.url.port == hub.cdn_port)
        hub.requests.append(asked)
        fault = self._fault(f"{asked.method} {asked.path}")
        if fault is None:
            await self.app(scope, receive, send)
            return
        await asyncio.sleep(fault.wait)
        if fault.status is not None:
            await Response(b"{}", fault.status, fault.headers)(scope, receive, send)
            return

        if fault.whole:
            scope = {**scope, "headers": [each for each in scope["headers"] if each[0] != b"range"]}

        async def broken(message: Message) -> None:
            if message["type"] == "http.response.start" and fault.chunked:
                message["headers"] = [each for each in message["headers"] if each[0] != b"content-length"]
            body = message.get("body", b"")
            if message["type"] != "http.response.body" or not body:
                await send(message)
                return
            body = bytes(255 - byte for byte in body) if fault.garble else body
            await send({**message, "body": body[: fault.truncate], "more_body": fault.stall})
            if fault.stall:
                hub.stalled.set()
                await asyncio.Event().wait()

        await self.app(scope, receive, broken)

    def _fault(self, line: str) -> Fault | None:
        with self.hub.lock:
            for fault in self.hub.faults:
                if fault.times != 0 and re.search(fault.pattern, line):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None


async def _accept_no_more(server: uvicorn.Server) -> None:
    """Leave new connections alone, and give those that were just accepted the time to be opened: asyncio of Python 3.11
    forgets, without closing them, those that are not when their server closes."""
    for listening in server.servers:
        for each in listening.sockets:
            asyncio.get_running_loop().remove_reader(each)
    for _ in range(5):
        await asyncio.sleep(0)


def _serve(server: uvicorn.Server, listening: socket.socket, loops: list[asyncio.AbstractEventLoop]) -> None:
    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        await server.serve(sockets=[listening])
        # Answers that are still being given end here; else their sockets would be left to the garbage collector.
        answers = asyncio.all_tasks() - {asyncio.current_task()}
        for answer in answers:
            answer.cancel()
        await asyncio.gather(*answers, return_exceptions=True)
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    asyncio.run(run())
