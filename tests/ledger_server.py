"""A provider on loopback that keeps a ledger: it says what valves open at, and bills each call."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.providers import compatible_reply

_VALVE = re.compile(r"At how many bar does valve (\d+) open")


def text_of(valves: int) -> str:
    """A document that says what each valve opens at."""
    lines = (
        f"{_sentence(number)} It was last inspected in the spring, together with the pumps of the "
        f"hall that it stands in, and its seal was found to be in good order by those who saw it.\n"
        for number in range(valves)
    )
    return "\n".join(lines)


def _sentence(valve: int) -> str:
    return f"Valve {valve} opens at {bar(valve)} bar."


def bar(valve: int) -> int:
    return 1000 + 7 * valve


def question(valve: int) -> str:
    return f"At how many bar does valve {valve} open?"


class LedgerServer(ThreadingHTTPServer):
    """Counts what it was asked, and knows what was under way when."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, delay_s: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.delay_s = delay_s
        self.calls: Counter[int] = Counter()
        self._active = 0
        self._replied: list[float] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def total(self) -> int:
        return sum(self.calls.values())

    def in_flight(self, *, settled_s: float = 0.0) -> int:
        """Calls being answered, and those whose reply was sent so shortly ago."""
        now = time.monotonic()
        with self._lock:
            return self._active + sum(now - at < settled_s for at in self._replied)

    def begin(self, valve: int) -> None:
        with self._lock:
            self.calls[valve] += 1
            self._active += 1

    def end(self) -> None:
        with self._lock:
            self._active -= 1
            self._replied = [*self._replied[-999:], time.monotonic()]

    def handle_error(self, *_: Any) -> None:
        """Who asked was killed."""


class _Handler(BaseHTTPRequestHandler):
    server: LedgerServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        prompt = body["messages"][-1]["content"]
        valve = int(_VALVE.findall(prompt)[-1])
        self.server.begin(valve)
        try:
            time.sleep(self.server.delay_s)
            said = json.dumps(compatible_reply(json.dumps(_said(prompt, valve)))).encode()
            with suppress(OSError):
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)
        finally:
            self.server.end()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def _said(prompt: str, valve: int) -> Any:
    """The sentence on the valve, quoted from the excerpt that has it."""
    sentence = _sentence(valve)
    passage = None
    for line in prompt.splitlines():
        if begun := re.fullmatch(r"\[\w+ (P\d+)\]", line):
            passage = begun[1]
        if sentence in line:
            evidence = [{"passage": passage, "quote": sentence}]
            statements = [{"text": sentence, "evidence": evidence}]
            return {"reasoning": "It says so.", "statements": statements, "confidence": 0.9}
    return {"reasoning": "It is not there.", "statements": [], "confidence": 0.9}


@contextmanager
def serving(delay_s: float) -> Iterator[LedgerServer]:
    """A provider of this test's own."""
    server = LedgerServer(delay_s)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
