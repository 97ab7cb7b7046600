"""A provider on loopback that keeps a ledger: it says what valves open at, and bills each call.

It answers questions, summarizes by quoting, and fills records of all valves that it is shown.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from typing import Any

from rag.models.chat import ChatRequest, Role, Turn
from tests.analyses import output_of
from tests.providers import compatible_reply

_VALVE = re.compile(r"At how many bar does valve (\d+) open")
_SENTENCE = re.compile(r"Valve (\d+) opens at (\d+) bar\.")
_EXCERPT = re.compile(r"\[\w+ (P\d+)\]\n[^\n]*\n\n(.*?)\n\[\w+ end", re.DOTALL)
_MARKER = re.compile(r"\[[0-9a-f]{16} ")


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


@dataclass(slots=True)
class Call:
    """A call as the provider knows it; ``asked`` is the same for the same text, ``by`` a key."""

    asked: str
    by: str
    began: float
    replied: float | None = None


class LedgerServer(ThreadingHTTPServer):
    """Writes down what it was asked by whom, and knows what was under way when."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, delay_s: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.delay_s = delay_s
        self._ledger: list[Call] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def total(self) -> int:
        """How many calls there were."""
        return len(self._ledger)

    @property
    def ledger(self) -> list[Call]:
        """The calls, in the order in which they came."""
        with self._lock:
            return list(self._ledger)

    def answered(self, by: str | None = None) -> int:
        """How many different calls of a key, or of all, were replied to."""
        found = {one.asked for one in self.ledger if one.replied and by in (None, one.by)}
        return len(found)

    def in_flight(self, by: str | None = None) -> list[Call]:
        """The calls of a key, or all, that were not replied to yet."""
        return [one for one in self.ledger if one.replied is None and by in (None, one.by)]

    def most_in_flight(self) -> int:
        """Of how many calls replies were waited for at a time."""
        begun = [(one.began, 1) for one in self.ledger]
        ended = [(one.replied, -1) for one in self.ledger if one.replied is not None]
        return max(accumulate(change for _, change in sorted([*begun, *ended])))

    def begin(self, messages: Any, by: str) -> Call:
        """Write a call down. What marks excerpts differs from home to home."""
        text = _MARKER.sub("[", json.dumps(messages))
        call = Call(hashlib.sha256(text.encode()).hexdigest(), by, time.monotonic())
        with self._lock:
            self._ledger.append(call)
        return call

    def handle_error(self, *_: Any) -> None:
        """Who asked was killed."""


class _Handler(BaseHTTPRequestHandler):
    server: LedgerServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a reply's body waits until its head is acknowledged

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        by = self.headers.get("authorization", "").removeprefix("Bearer ")
        call = self.server.begin(body["messages"], by)
        time.sleep(self.server.delay_s)
        try:
            said = json.dumps(compatible_reply(json.dumps(_reply(body)))).encode()
        finally:  # also one that it fails of is over
            call.replied = time.monotonic()
        with suppress(OSError):
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def _reply(body: Mapping[str, Any]) -> Any:
    """What is said to a request: to a question, for a record, or as a summary."""
    prompt = body["messages"][-1]["content"]
    if asked := _VALVE.findall(prompt):
        return _said(prompt, int(asked[-1]))
    schema = body["response_format"]["json_schema"]["schema"]
    if {"value", "fields"} <= schema["properties"].keys():
        return _record(prompt)
    turn = Turn(role=Role.USER, text=prompt)
    request = ChatRequest(
        system="", turns=(turn,), schema=schema, max_output_tokens=1, temperature=None
    )
    return json.loads(output_of(request))


def _said(prompt: str, valve: int) -> Any:
    """The sentence on the valve, quoted from the excerpt that has it."""
    sentence = _sentence(valve)
    for passage, text in _EXCERPT.findall(prompt):
        if sentence in text:
            evidence = [{"passage": passage, "quote": sentence}]
            statements = [{"text": sentence, "evidence": evidence}]
            return {"reasoning": "It says so.", "statements": statements, "confidence": 0.9}
    return {"reasoning": "It is not there.", "statements": [], "confidence": 0.9}


def _record(prompt: str) -> Any:
    """A record of all valves in the excerpts."""
    valves, fields = [], []
    for passage, text in _EXCERPT.findall(prompt):
        for found in _SENTENCE.finditer(text):
            evidence = [{"passage": passage, "quote": found[0]}]
            fields += [
                {"pointer": f"/valves/{len(valves)}/{name}", "evidence": evidence, "confidence": 1}
                for name in ("number", "bar")
            ]
            valves.append({"number": int(found[1]), "bar": int(found[2])})
    return {"reasoning": "All of them.", "value": {"valves": valves}, "fields": fields}


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
