"""A model server on loopback that quotes what it is shown, whatever it is asked for."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rag.models.chat import ChatRequest, Role, Turn
from tests.analyses import counted, output_of


class QuotingServer(ThreadingHTTPServer):
    """Speaks as compatible servers do; ``calls`` are the texts that it was asked with.

    While ``gate`` is not set, replies wait: all but the first ``at_once``.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.at_once = 0

    @property
    def engine(self) -> str:
        """Its name as an engine, with a window of its own."""
        return f"compatible:quoting@http://127.0.0.1:{self.server_port}/v1#window=16000"

    @property
    def id(self) -> str:
        """The engine's id, by which requests name it."""
        return self.engine.partition("#")[0]


@contextmanager
def quoting() -> Iterator[QuotingServer]:
    """A server, until the end of the block."""
    with QuotingServer() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.gate.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: QuotingServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        system, *turns = body["messages"]
        request = ChatRequest(
            system=_text(system),
            turns=tuple(Turn(role=Role(one["role"]), text=_text(one)) for one in turns),
            schema=body["response_format"]["json_schema"]["schema"],
            max_output_tokens=1,
            temperature=None,
        )
        self.server.calls.append(request.turns[-1].text)
        if len(self.server.calls) > self.server.at_once:
            self.server.gate.wait(60)
        said = output_of(request)
        # Such servers have the schema constrain what is written, and do not show it to the model.
        tokens = counted(replace(request, schema={}))
        usage = {"prompt_tokens": tokens, "completion_tokens": 60, "total_tokens": tokens + 60}
        message = {"role": "assistant", "content": said}
        reply: dict[str, Any] = {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "quoting",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": usage,
        }
        content = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _text(message: Any) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(one["text"] for one in content)
