"""Providers' batch APIs as fakes over HTTP: what is handed in, when it ends, what is asked."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx2

from tests.providers import anthropic_reply, openai_reply

Answer = Callable[[str, int], Any]
"""For a request's id and its number: a reply's body, or ``(kind, ...)`` of an error."""


@dataclass
class FakeBatches:
    """Keeps batches; each ends when `end` is called, and replies what ``answer`` says."""

    answer: Answer
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    ended: bool = False
    lose_reply: bool = False
    """The next batch is begun, and the reply that says so is lost."""

    def __call__(self, request: Any) -> Any:
        path = re.sub(r"^/v1", "", request.url.path)
        for pattern, handler in self.routes().items():
            method, _, place = pattern.partition(" ")
            match = re.fullmatch(place, path)
            if request.method == method and match:
                return handler(request, *match.groups())
        return httpx2.Response(404, json={"error": {"message": f"no {path}", "type": "x"}})

    def routes(self) -> Mapping[str, Callable[..., Any]]:
        raise NotImplementedError

    def begun(self, batch: dict[str, Any], requests: list[Any]) -> Any:
        batch |= {"id": f"batch_{len(self.batches) + 1}", "requests": requests}
        self.batches[batch["id"]] = batch
        self.asked += [one["custom_id"] for one in requests]
        if self.lose_reply:
            self.lose_reply = False
            raise httpx2.ConnectError("lost")
        return httpx2.Response(200, json=self.shown(batch["id"]))

    def shown(self, batch_id: str) -> Any:
        raise NotImplementedError

    def get(self, _request: Any, batch_id: str) -> Any:
        return httpx2.Response(200, json=self.shown(batch_id))

    def cancel(self, _request: Any, batch_id: str) -> Any:
        self.batches[batch_id]["cancelled"] = True
        self.ended = True
        return self.get(_request, batch_id)

    def list(self, _request: Any) -> Any:
        data = [self.shown(one) for one in reversed(self.batches)]
        return httpx2.Response(200, json={"object": "list", "data": data, "has_more": False})

    def results(self, batch_id: str) -> list[tuple[str, Any]]:
        requests = self.batches[batch_id]["requests"]
        return [
            (one["custom_id"], self.answer(one["custom_id"], i)) for i, one in enumerate(requests)
        ]


def written(lines: list[Any]) -> bytes:
    """A file of results; what is no object is a line as it stands."""
    texts = [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in lines]
    return "\n".join(texts).encode()


class FakeOpenAI(FakeBatches):
    def routes(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "POST /files": self.upload,
            "GET /files/(.+)/content": lambda _, name: httpx2.Response(
                200, content=self.content(name)
            ),
            "DELETE /files/(.+)": self.delete,
            "POST /batches": self.create,
            "GET /batches/([^/]+)": self.get,
            "GET /batches": self.list,
            "POST /batches/(.+)/cancel": self.cancel,
        }

    def upload(self, request: Any) -> Any:
        name = f"file_{len(self.files) + 1}"
        body = request.read()
        self.files[name] = body[body.index(b'{"custom_id"') : body.rindex(b"}") + 1]
        file = {"id": name, "object": "file", "bytes": 1, "created_at": 1, "filename": "x"}
        return httpx2.Response(200, json={**file, "purpose": "batch", "status": "processed"})

    def delete(self, _request: Any, name: str) -> Any:
        self.files.pop(name, None)
        return httpx2.Response(200, json={"id": name, "object": "file", "deleted": True})

    def create(self, request: Any) -> Any:
        sent = json.loads(request.content)
        assert (sent["endpoint"], sent["completion_window"]) == ("/v1/responses", "24h")
        lines = self.files[sent["input_file_id"]].splitlines()
        requests = [json.loads(line) for line in lines]
        return self.begun({"metadata": sent["metadata"], "input": sent["input_file_id"]}, requests)

    def shown(self, batch_id: str) -> Any:
        batch = self.batches[batch_id]
        done = "cancelled" if batch.get("cancelled") else "completed"
        return {
            "id": batch_id,
            "object": "batch",
            "created_at": int(time.time()),
            "endpoint": "/v1/responses",
            "completion_window": "24h",
            "input_file_id": batch["input"],
            "status": done if self.ended else "in_progress",
            "output_file_id": f"out-{batch_id}" if self.ended else None,
            "error_file_id": f"err-{batch_id}" if self.ended else None,
            "metadata": batch["metadata"],
        }

    def content(self, name: str) -> bytes:
        kind, _, batch_id = name.partition("-")
        lines = []
        for key, answer in self.results(batch_id):
            failed = isinstance(answer, tuple)
            if failed != (kind == "err") or answer == ("unsaid",):
                continue
            if failed and answer[0] == "torn":
                lines += ['{"custom_id": "', {"custom_id": key, "response": None, "error": None}]
                continue
            if not failed:
                response = {"status_code": 200, "body": openai_reply(answer)}
                lines.append({"custom_id": key, "response": response, "error": None})
            elif answer[0] in ("expired", "cancelled"):
                error = {"code": f"batch_{answer[0]}", "message": "x"}
                lines.append({"custom_id": key, "response": None, "error": error})
            else:
                response = {"status_code": answer[1], "body": {"error": {"message": "x"}}}
                lines.append({"custom_id": key, "response": response, "error": None})
        return written(lines)


class FakeAnthropic(FakeBatches):
    def routes(self) -> Mapping[str, Callable[..., Any]]:
        batches = "/messages/batches"
        return {
            f"POST {batches}": lambda request: self.begun(
                {}, json.loads(request.content)["requests"]
            ),
            f"GET {batches}/([^/]+)": self.get,
            f"GET {batches}/(.+)/results": lambda _, batch_id: httpx2.Response(
                200, content=self.content(batch_id)
            ),
            f"GET {batches}": self.list,
            f"POST {batches}/(.+)/cancel": self.cancel,
            f"DELETE {batches}/(.+)": self.delete,
        }

    def delete(self, _request: Any, batch_id: str) -> Any:
        self.batches[batch_id]["requests"] = []
        return httpx2.Response(200, json={"id": batch_id, "type": "message_batch_deleted"})

    def shown(self, batch_id: str) -> Any:
        counts = dict.fromkeys(("canceled", "errored", "expired", "succeeded"), 0)
        url = f"https://api.anthropic.com/v1/messages/batches/{batch_id}/results"
        return {
            "id": batch_id,
            "type": "message_batch",
            "created_at": datetime.now(UTC).isoformat(),
            "expires_at": datetime.now(UTC).isoformat(),
            "processing_status": "ended" if self.ended else "in_progress",
            "request_counts": {
                **counts,
                "processing": len(self.batches[batch_id]["requests"]),
            },
            "results_url": url if self.ended else None,
        }

    def content(self, batch_id: str) -> bytes:
        lines = []
        for key, answer in self.results(batch_id):
            if answer == ("unsaid",):
                continue
            if answer == ("torn",):
                lines += ['{"custom_id": "', {"custom_id": key, "result": {"type": "succeeded"}}]
                continue
            result: dict[str, Any] = {"type": "succeeded"}
            if not isinstance(answer, tuple):
                result["message"] = anthropic_reply(answer)
            elif answer[0] in ("expired", "cancelled"):
                result = {"type": answer[0].replace("ll", "l")}
            else:
                kind = "invalid_request_error" if answer[1] == 400 else "api_error"
                error = {"type": "error", "error": {"type": kind, "message": "x"}}
                result = {"type": "errored", "error": error}
            lines.append({"custom_id": key, "result": result})
        return written(lines)
