"""Bodies that are too large or come too slowly, and clients that keep silent: over real connections."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

import pytest
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from cyclegan.pages.request_limits import RequestLimits, StalledConnections, end_stalled_connections
from tests.conftest import wait_until

PATIENCE = 0.2
RATE = 0.01
"""A byte gives all patience back."""
POST = b"POST %s HTTP/1.1\r\nHost: x\r\n"
GET = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = 64 * 10**6
"""Bytes, more than the system's buffers take when nobody reads."""


class App:
    """Answers with the length of the body; see the tests for what some paths do beside."""

    def __init__(self) -> None:
        self.left: list[str] = []
        """Paths of requests whose client was gone, for what the app could tell."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request, path = Request(scope, receive), scope["path"]
        if path == "/early":
            await PlainTextResponse("no")(scope, receive, send)
            return
        try:
            length = len(await request.body())
        except ClientDisconnect:
            if path == "/answers":
                await PlainTextResponse("cannot be read", 400)(scope, receive, send)
            self.left.append(path)
            raise
        if path == "/later" and await _disconnected(receive, 2 * PATIENCE):
            self.left.append(path)
        response: Response = PlainTextResponse("x" * LARGE if path == "/whole" else f"{length} bytes")
        if path == "/stream":
            response = StreamingResponse(_chunks())
        await response(scope, receive, send)


async def _disconnected(receive: Any, seconds: float) -> bool:
    try:
        return bool((await asyncio.wait_for(receive(), seconds))["type"] == "http.disconnect")
    except TimeoutError:
        return False


async def _chunks() -> AsyncIterator[bytes]:
    for _ in range(LARGE // 50_001):  # an odd size: what the buffers hold is never twice the same
        yield bytes(50_001)


class Client:
    """A connection, by the bytes."""

    def __init__(self, server: uvicorn.Server) -> None:
        before = len(server.server_state.connections)
        self.socket = socket.create_connection(server.servers[0].sockets[0].getsockname(), timeout=30)
        wait_until(lambda: len(server.server_state.connections) > before)

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def response(self) -> bytes:
        """The next one, headers and all; they are short."""
        received = b""
        while b"\r\n\r\n" not in received:
            byte = self.socket.recv(1)
            assert byte, "the connection was ended"
            received += byte
        length = int(received.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        return received + self.socket.recv(length, socket.MSG_WAITALL)

    def close(self) -> None:
        self.socket.close()

    def has_ended(self) -> bool:
        self.socket.settimeout(0.01)
        try:
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        finally:
            self.socket.settimeout(30)


@contextmanager
def running(app: Any) -> Iterator[uvicorn.Server]:
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off", timeout_keep_alive=3600)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield server
    finally:
        for connection in list(server.server_state.connections):
            server.servers[0].get_loop().call_soon_threadsafe(connection.transport.abort)
        server.should_exit = True
        thread.join()


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def server(app: App, caplog: pytest.LogCaptureFixture) -> Iterator[uvicorn.Server]:
    with running(RequestLimits(app, patience=PATIENCE, rate=RATE, most=1000, most_uploaded=5000)) as server:
        yield server
    assert not caplog.get_records("call")


@pytest.fixture
def connect(server: uvicorn.Server) -> Iterator[Callable[[], Client]]:
    """Makes connections, which end with the test."""
    clients: list[Client] = []

    def connect() -> Client:
        clients.append(Client(server))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Callable[[], Client]) -> Client:
    return connect()


class TestRequestLimits:
    @pytest.mark.parametrize("path", ["/x", "/answers"])
    def test_a_body_that_does_not_come_is_answered_408_and_the_connection_ended(
        self, path: str, client: Client, app: App
    ) -> None:
        client.send(POST % path.encode(), b"Content-Length: 9\r\nAccept-Language: ko\r\n\r\n")
        response = client.response()
        assert response.startswith(b"HTTP/1.1 408 ") and b"\r\nconnection: close\r\n" in response
        assert "너무 느리거나" in response.decode()
        wait_until(client.has_ended)
        wait_until(lambda: app.left == [path])

    def test_what_came_at_once_earns_no_silence(self, client: Client) -> None:
        client.send(POST % b"/x", b"Content-Length: 1000\r\n\r\n", bytes(999))
        assert client.response().startswith(b"HTTP/1.1 408 ")

    @pytest.mark.parametrize(("seconds", "taken"), [(15, 6), (17, 2)])
    def test_a_body_is_taken_for_as_long_as_it_keeps_up_with_the_rate(self, seconds: float, taken: int) -> None:
        """A byte every so many seconds, which gives 15 back, of a patience of 20."""
        found, sent = [], []

        async def run() -> None:
            loop, waited = asyncio.get_running_loop(), 0.0
            clock = loop.time
            loop.time = lambda: clock() + waited  # type: ignore[method-assign]

            async def app(scope: Any, receive: Any, send: Any) -> None:
                async for part in Request(scope, receive).stream():
                    found.append(part)

            async def receive() -> dict[str, Any]:
                nonlocal waited
                waited += seconds
                for _ in range(5):  # by then a timer that is due has rung
                    await asyncio.sleep(0)
                return {"type": "http.request", "body": b"x", "more_body": len(found) < 5}

            async def send(message: dict[str, Any]) -> None:
                sent.append(message)

            scope = {"type": "http", "path": "/x", "headers": []}
            await RequestLimits(app, patience=20, rate=1 / 15)(scope, receive, send)

        asyncio.run(run())
        assert len(found) >= taken and bool(sent) == (taken < 6)
        if sent:
            assert len(found) == taken and sent[0]["status"] == 408

    def test_who_waits_for_an_answer_is_not_timed(self, client: Client, app: App) -> None:
        client.send(GET % b"/later")
        assert client.response().endswith(b"0 bytes")
        assert app.left == []

    def test_the_time_that_the_app_works_is_not_the_clients(self) -> None:
        parts = iter([b"a", b"b", b""])
        taken = []

        async def run() -> None:
            loop, worked = asyncio.get_running_loop(), 0.0
            clock = loop.time
            loop.time = lambda: clock() + worked  # type: ignore[method-assign]

            async def app(scope: Any, receive: Any, send: Any) -> None:
                nonlocal worked
                async for part in Request(scope, receive).stream():
                    taken.append(part)
                    worked += 1000

            async def receive() -> dict[str, Any]:
                for _ in range(5):  # what is not there at once
                    await asyncio.sleep(0)
                part = next(parts)
                return {"type": "http.request", "body": part, "more_body": part != b""}

            scope = {"type": "http", "path": "/x", "headers": []}
            await RequestLimits(app, patience=PATIENCE, rate=inf)(scope, receive, None)

        asyncio.run(run())
        assert taken == [b"a", b"b", b""]

    def test_a_body_that_says_it_is_too_large_is_not_waited_for(self, client: Client, app: App) -> None:
        client.send(POST % b"/x", b"Content-Length: 1001\r\n\r\n")
        response = client.response()
        assert response.startswith(b"HTTP/1.1 413 ") and b"0.001 MB" in response
        client.send(bytes(1001), POST % b"/x", b"Content-Length: 1000\r\n\r\n", bytes(1000))
        assert client.response().endswith(b"1000 bytes"), "what it sent all the same was not passed over"
        assert app.left == []

    def test_a_body_that_grows_too_large_is_cut(self, client: Client, app: App) -> None:
        client.send(POST % b"/x", b"Transfer-Encoding: chunked\r\n\r\n", b"3e8\r\n", bytes(1000), b"\r\n")
        assert not client.has_ended()
        client.send(b"1\r\nx\r\n")
        assert client.response().startswith(b"HTTP/1.1 413 ")
        wait_until(lambda: app.left == ["/x"])

    def test_uploads_may_be_larger(self, client: Client) -> None:
        path = b"/gradio_api/upload"
        client.send(POST % path, b"Content-Length: 5000\r\n\r\n", bytes(5000))
        assert client.response().endswith(b"5000 bytes")
        client.send(POST % path, b"Content-Length: 5001\r\n\r\n")
        assert client.response().startswith(b"HTTP/1.1 413 ")


class TestStalledConnections:
    """The clock is the test's, in seconds."""

    @pytest.fixture
    def server(self, app: App) -> Iterator[uvicorn.Server]:
        with running(app) as server:
            yield server

    @pytest.fixture
    def stalled(self, server: uvicorn.Server) -> StalledConnections:
        return StalledConnections(server, silent=20, unread=60)

    @staticmethod
    def look(stalled: StalledConnections, now: float) -> None:
        looked = threading.Event()
        stalled.loop.call_soon_threadsafe(stalled.look, now)
        stalled.loop.call_soon_threadsafe(looked.set)
        assert looked.wait(30)

    def test_silence_and_half_a_head_are_ended(
        self, server: uvicorn.Server, connect: Callable[[], Client], stalled: StalledConnections
    ) -> None:
        silent, first_half, second_half, working = (connect() for _ in range(4))
        first_half.send((POST % b"/x")[:-4])
        second_half.send(GET % b"/x")
        second_half.response()
        second_half.send((GET % b"/x")[:-4])
        working.send(POST % b"/x", b"Content-Length: 3\r\n\r\nab")
        wait_until(lambda: sum(each.cycle is not None for each in server.server_state.connections) == 2)  # type: ignore[union-attr]
        for now in (100, 119):
            self.look(stalled, now)
            assert not any(each.has_ended() for each in (silent, first_half, second_half, working))
        first_half.send(b"X")  # a byte now and then is no progress
        self.look(stalled, 121)
        wait_until(lambda: all(each.has_ended() for each in (silent, first_half, second_half)))
        working.send(b"c")
        assert working.response().endswith(b"3 bytes")

    def test_who_still_sends_after_a_refusal_may_go_on_for_longer(
        self, server: uvicorn.Server, client: Client, stalled: StalledConnections
    ) -> None:
        client.send(POST % b"/early", b"Content-Length: 9\r\n\r\nab")
        client.response()
        for now in (100, 121, 159):
            self.look(stalled, now)
            assert not client.has_ended()
        self.look(stalled, 161)
        wait_until(client.has_ended)

    def test_who_asks_again_and_again_is_not_ended(self, client: Client, stalled: StalledConnections) -> None:
        for now in range(0, 100, 15):
            client.send(GET % b"/x")
            client.response()
            self.look(stalled, now)
        client.send(GET % b"/x")
        client.response()

    @pytest.mark.parametrize("path", [b"/stream", b"/whole"])
    def test_who_reads_slowly_is_not_ended_but_who_does_not_read(
        self, path: bytes, server: uvicorn.Server, client: Client, stalled: StalledConnections
    ) -> None:
        (connection,) = server.server_state.connections
        client.send(GET % path)

        def unread() -> int:
            return connection.transport.get_write_buffer_size()

        now = 0
        for _ in range(5):
            wait_until(unread)
            self.look(stalled, now := now + 40)
            before = unread()
            wait_until(lambda before=before: client.socket.recv(10**6) and unread() != before)  # type: ignore[misc]
        assert connection in server.server_state.connections

        def ended() -> bool:
            nonlocal now
            self.look(stalled, now := now + 61)
            return connection not in server.server_state.connections

        wait_until(ended)

    def test_they_are_looked_for_again_and_again(self, server: uvicorn.Server, client: Client) -> None:
        end_stalled_connections(server, silent=0.2)
        wait_until(client.has_ended)
