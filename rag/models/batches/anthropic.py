"""Anthropic's Message Batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
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
from rag.models.chat.anthropic import AnthropicChat
from rag.models.chat.failures import in_our_words
from rag.models.chat.transport import timeouts

_TIMEOUT_S = 600.0
_UNREAD = {"canceled": CANCELLED, "expired": EXPIRED}
_ERRORS: Mapping[str, type[ModelError]] = {
    "authentication_error": ModelAccessDenied,
    "billing_error": ModelAccessDenied,
    "permission_error": ModelAccessDenied,
    "invalid_request_error": ModelRejected,
    "not_found_error": ModelRejected,
}


class AnthropicBatches:
    """Batches of one model of Anthropic's."""

    def __init__(self, chat: AnthropicChat) -> None:
        self._chat = chat
        self._batches = chat.client.with_options(timeout=timeouts(_TIMEOUT_S)).messages.batches

    @property
    def id(self) -> str:
        """The model's name under which calls are reported."""
        return self._chat.id

    def submit(self, mark: str, requests: Mapping[str, ChatRequest]) -> str:
        """Begin a batch of these requests; it takes no mark."""
        with in_our_words(self._chat.sdk, self.id):
            batch = self._batches.create(
                requests=[
                    {"custom_id": key, "params": self._chat.body(request)}
                    for key, request in requests.items()
                ]
            )
        return str(batch.id)

    def find(self, mark: str, *, since: float, until: float, count: int) -> Sequence[Found]:
        """All batches of that time with so many requests: more is not known of them."""
        found = []
        with in_our_words(self._chat.sdk, self.id):
            for batch in self._batches.list(limit=100):
                created = batch.created_at.timestamp()
                if created < since:
                    break
                of_so_many = sum(batch.request_counts.to_dict().values()) == count
                if created <= until and of_so_many:
                    found.append(Found(id=str(batch.id), marked=False))
        return found

    def results(self, batch_id: str) -> Iterator[Result] | None:
        """Replies and errors; see `BatchBackend.results`."""
        with in_our_words(self._chat.sdk, self.id):
            batch = self._batches.retrieve(batch_id)
        if batch.processing_status != "ended":
            return None
        if not batch.results_url:
            raise ModelRejected(f"{self.id} no longer has the results of this batch.")
        return self._read(batch_id)

    def _read(self, batch_id: str) -> Iterator[Result]:
        results = self._batches.with_streaming_response.results
        kind = self._chat.sdk.types.messages.MessageBatchIndividualResponse
        for said in read_lines(lambda: results(batch_id), self._chat.sdk, self.id):
            one = kind.construct(**said)
            if (key := getattr(one, "custom_id", None)) is not None:
                yield str(key), self._result(getattr(one, "result", None))

    def _result(self, result: Any) -> ChatReply | str:
        try:
            if result.type == "succeeded":
                return self._chat.read(result.message)
            if result.type == "errored":
                return _ERRORS.get(result.error.error.type, ModelUnavailable).code
            return _UNREAD.get(result.type, EXPIRED)
        except (AttributeError, MalformedReply):
            return MalformedReply.code

    def cancel(self, batch_id: str) -> None:
        """Have the provider stop."""
        with in_our_words(self._chat.sdk, self.id):
            self._batches.cancel(batch_id)

    def forget(self, batch_id: str) -> None:
        """Delete what the provider keeps: it holds text of documents."""
        # One that is gone is as good as deleted.
        with suppress(ModelRejected), in_our_words(self._chat.sdk, self.id):
            self._batches.delete(batch_id)
