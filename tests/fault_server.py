"""A provider on loopback that fails as it is told to, in its real wire format, and keeps books."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

from rag.models.chat import Tokens
from tests.providers import Provider

CHARGED = Tokens(input=1_000, output=100, cached=400)
"""What each reply says that it took."""


@dataclass
class Books:
    """What the provider was asked, and what it has charged for."""

    requests: list[Mapping[str, Any]] = field(default_factory=list)
    replies: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def charged(self) -> Tokens:
        """All that its replies have said."""
        times = self.replies
        return Tokens(
            input=times * CHARGED.input,
            output=times * CHARGED.output,
            cached=times * CHARGED.cached,
        )


@dataclass
class Line:
    """The connection that a request came over."""

    provider: Provider
    books: Books
    handler: BaseHTTPRequestHandler
    stopped: threading.Event

    def say(self, text: str, finish: str = "complete") -> None:
        """A reply as the provider writes it."""
        content = self.reply(text, finish)
        with self.books.lock:
            self.books.replies += 1
        self.send(200, content)

    def reply(self, text: str, finish: str = "complete") -> bytes:
        """The bytes of a reply."""
        return json.dumps(self.provider.reply(text, finish=finish, tokens=CHARGED)).encode()

    def write(self, text: str, *, until: threading.Event | None = None) -> None:
        """A reply as the provider streams it; its second half once somebody says so."""
        events = self.events(text)
        with self.books.lock:
            self.books.replies += 1
        self.head(200, sum(map(len, events)), content_type="text/event-stream")
        for number, one in enumerate(events):
            if until is not None and number == len(events) // 2:
                until.wait(20)
            self.handler.wfile.write(one)

    def events(self, text: str) -> list[bytes]:
        """A reply in the pieces that the provider streams."""
        whole = self.provider.reply(text, tokens=CHARGED)
        return [one.encode() for one in self.provider.events(whole, text)]

    def refuse(self, status: int, message: str = "no", **headers: str) -> None:
        """An error as the provider writes it."""
        error = {"message": message, "type": "x", "code": "x"}
        self.send(status, json.dumps({"type": "error", "error": error}).encode(), **headers)

    def send(self, status: int, content: bytes, **headers: str) -> None:
        """Any bytes, said to be JSON unless the headers say what they are."""
        self.head(status, len(content), **headers)
        self.handler.wfile.write(content)

    def head(self, status: int, length: int, **headers: str) -> None:
        """The beginning of a reply that is said to have so many bytes."""
        told = {"content_type": "application/json", "content_length": str(length)}
        self.handler.send_response(status)
        for name, value in (told | headers).items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()

    def drip(self, content: bytes, pause_s: float) -> None:
        """Bytes one by one."""
        for byte in content:
            self.handler.wfile.write(bytes([byte]))
            if self.stopped.wait(pause_s):
                return

    def hang(self) -> None:
        """Say nothing until it is all over."""
        self.stopped.wait()

    def hang_up(self) -> None:
        """Close the connection without a word."""
        self.handler.close_connection = True


Fault: TypeAlias = Callable[[Line], None]


class FaultServer(ThreadingHTTPServer):
    """One provider; what it does is said anew for each question."""

    daemon_threads = True

    def __init__(self, provider: Provider) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.provider = provider
        self.faults: Sequence[Fault] = ()
        self.books = Books()
        self.stopped = threading.Event()

    @property
    def url(self) -> str:
        """Base address for an SDK."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """Clients hang up on what takes too long."""

    @contextmanager
    def doing(self, *faults: Fault) -> Iterator[Books]:
        """Have it do one thing after the other, the last for ever; yields new books."""
        self.faults, self.books, self.stopped = faults, Books(), threading.Event()
        try:
            yield self.books
        finally:
            self.stopped.set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultServer

    def do_POST(self) -> None:
        books, stopped = self.server.books, self.server.stopped
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with books.lock:
            books.requests.append(body)
            number = len(books.requests)
        fault = self.server.faults[min(number, len(self.server.faults)) - 1]
        try:
            fault(Line(self.server.provider, books, self, stopped))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def serving(provider: Provider) -> Iterator[FaultServer]:
    """The provider, while the block runs."""
    with FaultServer(provider) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
