"""A server on loopback that speaks OpenAI's protocol and asks the tiny model.

It is to the tests what vLLM or Ollama are to a user: real HTTP, a real model, output held to
the schema token by token. By hand, with an end of its own:

    python -m tests.model_server --seconds 600
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rag.errors import InvalidRequest, ModelError, ModelRejected
from rag.models.chat import ChatReply, ChatRequest, Finish, Role, Turn
from rag.models.chat.local import LocalChat
from rag.models.schema import check_schema
from tests.providers import (
    compatible_events,
    compatible_reply,
    openai_events,
    openai_reply,
)
from tests.tiny_model import make_tiny_model

MODEL = "tiny"
_MOST_BYTES = 4 << 20
_LONGEST_S = 100.0


class Refused(Exception):
    """A request that gets an error body."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        kind = "authentication_error" if status == 401 else "invalid_request_error"
        told = {"message": message, "type": kind, "param": param, "code": code}
        self.body = {"error": told}


class ModelServer(ThreadingHTTPServer):
    """Serves one model under one key until it is closed; ``asked`` are the bodies it was sent."""

    daemon_threads = True

    def __init__(self, chat: LocalChat, *, key: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.chat = chat
        self.key = key
        self.asked: list[Mapping[str, Any]] = []

    @property
    def url(self) -> str:
        """Base address for an SDK."""
        return f"http://127.0.0.1:{self.server_port}/v1"


@contextmanager
def serving(chat: LocalChat, *, key: str | None = None) -> Iterator[ModelServer]:
    """The server, on a free port, while the block runs."""
    with ModelServer(chat, key=key) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: ModelServer

    def do_GET(self) -> None:
        self._answer(self._models)

    def do_POST(self) -> None:
        self._answer(self._generate)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def _answer(self, work: Any) -> None:
        try:
            if self.server.key and self.headers["authorization"] != f"Bearer {self.server.key}":
                raise Refused(401, "invalid_api_key", "Incorrect API key provided.")
            work()
        except Refused as error:
            self._send(error.status, error.body)

    def _models(self) -> None:
        if self.path == "/v1/models":
            self._send(200, {"object": "list", "data": [_model()]})
        elif self.path == f"/v1/models/{MODEL}":
            self._send(200, _model())
        else:
            raise Refused(404, "not_found", f"Nothing at {self.path}.")

    def _generate(self) -> None:
        dialect = {"/v1/chat/completions": ChatCompletions, "/v1/responses": Responses}
        if self.path not in dialect:
            raise Refused(404, "not_found", f"Nothing at {self.path}.")
        body = self._body()
        self.server.asked.append(body)
        if body.get("model") != MODEL:
            raise Refused(404, "model_not_found", f"No model {body.get('model')!r}.", "model")
        speaks = dialect[self.path](body)
        request = speaks.request()
        try:
            reply = self.server.chat.complete(request, timeout=_LONGEST_S)
        except ModelRejected as error:
            long = "window" in error.message
            code = "context_length_exceeded" if long else "invalid_value"
            raise Refused(400, code, error.message) from error
        except ModelError as error:
            raise Refused(500, "server_error", error.message) from error
        if not body.get("stream"):
            self._send(200, speaks.whole(reply))
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for event in speaks.events(reply):
            self.wfile.write(event.encode())
            self.wfile.flush()

    def _body(self) -> Mapping[str, Any]:
        length = int(self.headers["content-length"] or 0)
        if length > _MOST_BYTES:
            self._discard(length)
            raise Refused(413, "request_too_large", f"More than {_MOST_BYTES} bytes.")
        try:
            body = json.loads(self.rfile.read(length))
        except ValueError as error:
            raise Refused(400, "invalid_json", f"The body is not JSON: {error}") from error
        if not isinstance(body, dict):
            raise Refused(400, "invalid_json", "The body is no object.")
        return body

    def _discard(self, length: int) -> None:
        """Read what nobody wants, so that the client reads its answer and not a reset."""
        while length > 0 and (piece := self.rfile.read(min(length, 1 << 20))):
            length -= len(piece)

    def _send(self, status: int, value: Any) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class ChatCompletions:
    """Requests and replies of ``/v1/chat/completions``."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body

    def request(self) -> ChatRequest:
        messages = self._body.get("messages")
        wanted = self._body.get("response_format") or {"type": "text"}
        schema = None
        if wanted.get("type") == "json_schema":
            schema = (wanted.get("json_schema") or {}).get("schema")
        elif wanted.get("type") != "text":
            raise Refused(400, "unsupported_value", "text or json_schema.", "response_format")
        most = self._body.get("max_completion_tokens") or self._body.get("max_tokens")
        return _request(self._body, messages, "messages", schema, most)

    def whole(self, reply: ChatReply) -> Any:
        finish = {Finish.LENGTH: "length"}.get(reply.finish, "complete")
        made = compatible_reply(reply.text, finish=finish, tokens=reply.tokens)
        return {**made, "model": MODEL}

    def events(self, reply: ChatReply) -> Iterator[str]:
        counted = (self._body.get("stream_options") or {}).get("include_usage")
        return compatible_events(self.whole(reply), reply.text, counted=bool(counted))


class Responses:
    """Requests and replies of ``/v1/responses``."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body

    def request(self) -> ChatRequest:
        said = self._body.get("input")
        messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
        if isinstance(messages, list) and (system := self._body.get("instructions")):
            messages = [{"role": "system", "content": system}, *messages]
        wanted = (self._body.get("text") or {}).get("format") or {"type": "text"}
        if wanted.get("type") not in ("text", "json_schema"):
            raise Refused(400, "unsupported_value", "text or json_schema.", "text.format")
        most = self._body.get("max_output_tokens")
        return _request(self._body, messages, "input", wanted.get("schema"), most)

    def whole(self, reply: ChatReply) -> Any:
        finish = {Finish.LENGTH: "length"}.get(reply.finish, "complete")
        made = openai_reply(reply.text, finish=finish, tokens=reply.tokens)
        return {**made, "model": MODEL}

    def events(self, reply: ChatReply) -> Iterator[str]:
        return openai_events(self.whole(reply), reply.text)


def _request(
    body: Mapping[str, Any], messages: Any, name: str, schema: Any, most: Any
) -> ChatRequest:
    """A request in our words, or what is wrong with the body."""
    if not isinstance(messages, list) or not messages:
        raise Refused(400, "missing_required_parameter", f"{name} is required.", name)
    system, turns = [], []
    for message in messages:
        role, text = message.get("role"), message.get("content")
        if role not in ("system", "developer", "user", "assistant") or not isinstance(text, str):
            raise Refused(400, "invalid_value", "A message has a role and a content.", name)
        if role in ("system", "developer"):
            system.append(text)
        else:
            turns.append(Turn(role=Role(role), text=text))
    if schema is not None:
        try:
            check_schema(schema)
        except InvalidRequest as error:
            raise Refused(400, "invalid_json_schema", error.message, "schema") from error
    return ChatRequest(
        system="\n".join(system),
        turns=tuple(turns),
        schema=schema,
        max_output_tokens=int(most or 256),
        temperature=body.get("temperature"),
    )


def _model() -> Any:
    return {"id": MODEL, "object": "model", "created": 1, "owned_by": "tests"}


def main() -> None:
    """Serve a tiny model for a while."""
    parser = argparse.ArgumentParser(prog="python -m tests.model_server")
    parser.add_argument("--seconds", type=float, default=600.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tiny = make_tiny_model(Path(folder) / MODEL, window=65_536, terse=True)
        chat = LocalChat(str(tiny))
        with serving(chat) as server:
            print(f"IBIDEM_ENGINE=compatible:{MODEL}@{server.url}", flush=True)  # noqa: T201
            threading.Event().wait(options.seconds)


if __name__ == "__main__":
    main()
