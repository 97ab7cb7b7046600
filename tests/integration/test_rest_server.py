"""The service behind a real socket: streamed bodies, broken connections, shutting down."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from api.door import Door
from api.running import listening
from api.server import Server
from api.settings import Settings
from rag.errors import StoreDamaged
from rag.models.engine import Context
from rag.models.tasks import AnswerTask
from tests.integration.conftest import Opened, Rest

HEAD = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
TAIL = b"\r\n--B--\r\n"
MEGABYTE = b"All work and no play. " * 47_663  # a little more than a million bytes


class Running:
    """A service that listens."""

    def __init__(self, rest: Rest, port: int, server: uvicorn.Server) -> None:
        self.rest = rest
        self.port = port
        self.server = server
        self._open = ExitStack()

    def connect(self) -> http.client.HTTPConnection:
        return self._open.enter_context(
            closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30))
        )

    def reply(self, connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        return self._open.enter_context(closing(connection.getresponse()))

    def close(self) -> None:
        self._open.close()

    @property
    def door(self) -> Door:
        app: Any = self.rest.client.app
        door: Door = app.state.door
        return door

    def incoming(self) -> list[Path]:
        return list((self.rest.services.home.originals / "incoming").iterdir())

    def send_form(self, content: Iterator[bytes], **headers: str) -> tuple[int, Any]:
        """Upload without a content length."""
        connection = self.connect()
        connection.putrequest("POST", "/v1/documents")
        connection.putheader("content-type", "multipart/form-data; boundary=B")
        connection.putheader("transfer-encoding", "chunked")
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        with suppress(OSError):  # it may answer and hang up; what it said is still to be read
            connection.send(b"%x\r\n%s\r\n" % (len(HEAD), HEAD))
            for piece in content:
                connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            connection.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(TAIL), TAIL))
        reply = self.reply(connection)
        return reply.status, json.loads(reply.read())


@pytest.fixture
def running(open_rest: Callable[..., Opened]) -> Iterator[Running]:
    """A listening service in which accepted jobs wait, and uploads end at 2 MB."""
    with open_rest(max_upload_mb=2) as rest:
        app: Any = rest.client.app
        server = Server(app, uvicorn.Config(app, log_config=None, access_log=False))
        with listening(Settings(home=rest.services.home.path, port=0)) as listener:
            thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
            thread.start()
            while not server.started:
                time.sleep(0.005)
            running = Running(rest, listener.getsockname()[1], server)
            yield running
            running.close()
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def test_an_upload_without_a_length_is_taken_as_it_comes(running: Running) -> None:
    status, body = running.send_form(iter([MEGABYTE[:300_000]] * 5))
    assert status == 202
    assert body["document"]["size"] == 1_500_000


def test_replies_are_sent_at_once(running: Running) -> None:
    """Without TCP_NODELAY each reply waits 40 ms for the client to acknowledge its head."""
    connection = running.connect()
    connection.request("GET", "/health")
    running.reply(connection).read()
    (protocol,) = running.server.server_state.connections
    served = protocol.transport.get_extra_info("socket")  # type: ignore[union-attr]
    assert served.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_too_much_is_refused_while_it_comes_and_nothing_stays(running: Running) -> None:
    connection = running.connect()
    connection.putrequest("POST", "/v1/documents")
    connection.putheader("content-type", "multipart/form-data; boundary=B")
    connection.putheader("transfer-encoding", "chunked")
    connection.endheaders()
    for piece in (HEAD, MEGABYTE, MEGABYTE, MEGABYTE):  # and no end: the answer comes before
        connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    reply = running.reply(connection)
    assert (reply.status, json.loads(reply.read())["error"]["code"]) == (413, "payload_too_large")
    assert running.incoming() == []


def test_a_length_beyond_the_limit_is_refused_before_the_body(running: Running) -> None:
    for path, kind in (
        ("/v1/documents", "multipart/form-data; boundary=B"),
        ("/v1/search", "application/json"),
    ):
        connection = running.connect()
        connection.putrequest("POST", path)
        connection.putheader("content-type", kind)
        connection.putheader("content-length", str(10**12))
        connection.endheaders()
        reply = running.reply(connection)
        assert (reply.status, json.loads(reply.read())["error"]["code"]) == (
            413,
            "payload_too_large",
        )


def test_a_json_body_without_a_length_is_bounded_too(running: Running) -> None:
    connection = running.connect()
    connection.putrequest("POST", "/v1/search")
    connection.putheader("content-type", "application/json")
    connection.putheader("transfer-encoding", "chunked")
    connection.endheaders()
    with suppress(OSError):
        for _ in range(100):
            connection.send(b"%x\r\n%s\r\n" % (len(MEGABYTE), MEGABYTE))
    assert running.reply(connection).status == 413


def test_a_connection_that_breaks_leaves_nothing_behind(running: Running) -> None:
    for _ in range(3):
        connection = running.connect()
        connection.putrequest("POST", "/v1/documents")
        connection.putheader("content-type", "multipart/form-data; boundary=B")
        connection.putheader("content-length", "1000000")
        connection.endheaders()
        connection.send(HEAD + b"x" * 500_000)
        until(lambda: len(running.incoming()) == 1)
        connection.close()
        until(lambda: running.incoming() == [])
    assert running.rest.client.get("/v1/documents").json()["data"] == []
    assert running.rest.services.catalog.jobs.count_unfinished() == 0
    until(lambda: running.door.uploads.inside == 0)


def test_slow_uploads_do_not_stop_other_requests(running: Running) -> None:
    connections = []
    for _ in range(12):  # more than may run at once
        connection = running.connect()
        connection.putrequest("POST", "/v1/documents")
        connection.putheader("content-type", "multipart/form-data; boundary=B")
        connection.putheader("content-length", "1000000")
        connection.endheaders()
        connection.send(HEAD + b"x" * 400_000)  # taken in quarters of a megabyte
        connections.append(connection)
    until(lambda: len(running.incoming()) == 8)
    for path in ("/v1/documents", "/v1/collections", "/health", "/metrics"):
        quick = running.connect()
        quick.request("GET", path)
        assert running.reply(quick).status == 200
    for connection in connections:
        connection.close()
    until(lambda: running.incoming() == [])


def test_watching_ends_when_the_service_stops(running: Running) -> None:
    """Job events end with the service's shutdown; the server does not wait for the job."""
    _, body = running.send_form(iter([b"never read"]))
    connection = running.connect()
    connection.request("GET", f"/v1/jobs/{body['job']['id']}/events")
    reply = running.reply(connection)
    assert reply.readline() == b"event: job\n"
    running.server.should_exit = True
    rest_of_it = reply.read()
    assert rest_of_it.endswith(b"event: done\ndata: {}\n\n")


def test_a_client_that_stops_listening_is_forgotten(running: Running) -> None:
    _, body = running.send_form(iter([b"never read"]))
    watcher = running.door.watcher
    connection = running.connect()
    connection.request("GET", f"/v1/jobs/{body['job']['id']}/events")
    assert running.reply(connection).readline() == b"event: job\n"
    until(lambda: watcher.watching == 1)
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()
    until(lambda: watcher.watching == 0)


def test_a_client_that_leaves_an_answer_frees_its_place(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def stuck(_task: AnswerTask, _context: Context) -> None:
        go_on.wait(30)
        raise StoreDamaged

    monkeypatch.setattr(running.rest.services.engine, "run", stuck)
    for _ in range(3):
        connection = running.connect()
        body = json.dumps({"question": "Where?", "stream": True})
        connection.request("POST", "/v1/ask", body, {"content-type": "application/json"})
        assert running.reply(connection).readline() == b"event: passages\n"
        assert running.door.searches.inside >= 1
        connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()
    go_on.set()
    until(lambda: running.door.searches.inside == 0)
