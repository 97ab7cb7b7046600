"""OpenAI's Batch API: a file of requests in, a file of replies and one of errors out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from rag.errors import (
    MalformedReply,
    ModelAccessDenied,
    ModelError,
    ModelRejected,
    ModelUnavailable,
)
from rag.models.batches import CANCELLED, EXPIRED, Found, Result
from rag.models.batches.lines import read_lines
from rag.models.chat import ChatReply, ChatRequest
from rag.models.chat.failures import in_our_words
from rag.models.chat.openai import OpenAIChat
from rag.models.chat.transport import timeouts

_URL = "/v1/responses"
_MARK = "ibidem"
_TIMEOUT_S = 600.0
_UNDER_WAY = frozenset({"validating", "in_progress", "finalizing", "cancelling"})
_UNREAD = {"batch_expired": EXPIRED, "batch_cancelled": CANCELLED}


class OpenAIBatches:
    """Batches of one model of OpenAI's."""

    def __init__(self, chat: OpenAIChat) -> None:
        self._chat = chat
        self._client = chat.client.with_options(timeout=timeouts(_TIMEOUT_S))

    @property
    def id(self) -> str:
        """The model's name under which calls are reported."""
        return self._chat.id

    def submit(self, mark: str, requests: Mapping[str, ChatRequest]) -> str:
        """Upload the requests as a file, and begin a batch of it."""
        lines = [
            {"custom_id": key, "method": "POST", "url": _URL, "body": self._chat.body(request)}
            for key, request in requests.items()
        ]
        content = "\n".join(json.dumps(line) for line in lines).encode()
        with in_our_words(self._chat.sdk, self.id):
            file = self._client.files.create(file=(f"{mark}.jsonl", content), purpose="batch")
            batch = self._client.batches.create(
                input_file_id=file.id,
                endpoint=_URL,
                completion_window="24h",
                metadata={_MARK: mark},
            )
        return str(batch.id)

    def find(self, mark: str, *, since: float, until: float, count: int) -> Sequence[Found]:
        """The batch with this mark; see `BatchBackend.find`."""
        with in_our_words(self._chat.sdk, self.id):
            for batch in self._client.batches.list(limit=100):
                if batch.created_at < since:
                    break
                if (batch.metadata or {}).get(_MARK) == mark:
                    return [Found(id=str(batch.id), marked=True)]
        return []

    def results(self, batch_id: str) -> Iterator[Result] | None:
        """Replies and errors; see `BatchBackend.results`."""
        with in_our_words(self._chat.sdk, self.id):
            batch = self._client.batches.retrieve(batch_id)
        if batch.status in _UNDER_WAY:
            return None
        if batch.status == "failed":  # as a whole, before any of it was read
            raise ModelRejected(f"{self.id} does not take this batch.")
        return self._read(batch)

    def _read(self, batch: Any) -> Iterator[Result]:
        content = self._client.files.with_streaming_response.content
        for file_id in (batch.output_file_id, batch.error_file_id):
            if file_id is None:
                continue
            for said in read_lines(partial(content, file_id), self._chat.sdk, self.id):
                if "custom_id" in said:
                    yield str(said["custom_id"]), self._result(said)

    def _result(self, said: Mapping[str, Any]) -> ChatReply | str:
        try:
            if (code := (said.get("error") or {}).get("code")) is not None:
                return _UNREAD.get(code, ModelRejected.code)
            status, body = said["response"]["status_code"], said["response"]["body"]
            if status != 200:
                return _error(status).code
            return self._chat.read(self._chat.sdk.types.responses.Response.construct(**body))
        except ModelError as error:
            return error.code
        except (AttributeError, KeyError, TypeError):
            return MalformedReply.code

    def cancel(self, batch_id: str) -> None:
        """Have the provider stop."""
        with in_our_words(self._chat.sdk, self.id):
            self._client.batches.cancel(batch_id)

    def forget(self, batch_id: str) -> None:
        """Delete the files that the provider keeps: they hold text of documents."""
        with in_our_words(self._chat.sdk, self.id):
            batch = self._client.batches.retrieve(batch_id)
        for file_id in (batch.input_file_id, batch.output_file_id, batch.error_file_id):
            if file_id is not None:
                # One that is gone is as good as deleted.
                with suppress(ModelRejected), in_our_words(self._chat.sdk, self.id):
                    self._client.files.delete(file_id)


def _error(status: int) -> type[ModelError]:
    if status in (401, 402, 403):
        return ModelAccessDenied
    return ModelUnavailable if status == 429 or status >= 500 else ModelRejected
