"""Anthropic's Message Batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from rag.errors import (
    MalformedReply,
    ModelAccessDenied,
    ModelError,
    ModelRejected,
    ModelUnavailable,
)
from rag.models.batches import CANCELLED, EXPIRED, Result
from rag.models.chat import ChatRequest
from rag.models.chat.anthropic import AnthropicChat
from rag.models.chat.failures import in_our_words
from rag.models.chat.transport import timeouts

_TIMEOUT_S = 120.0
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

    def find(self, mark: str, *, since: float, count: int) -> str | None:
        """The latest batch since then of so many requests: more is not known of it.

        Should it be another, then its results have other keys, and are passed over.
        """
        with in_our_words(self._chat.sdk, self.id):
            for batch in self._batches.list(limit=100):
                if batch.created_at.timestamp() < since:
                    break
                if sum(batch.request_counts.to_dict().values()) == count:
                    return str(batch.id)
        return None

    def results(self, batch_id: str) -> Iterator[Result] | None:
        """Replies and errors; see `BatchBackend.results`."""
        with in_our_words(self._chat.sdk, self.id):
            batch = self._batches.retrieve(batch_id)
        return self._read(batch_id) if batch.processing_status == "ended" else None

    def _read(self, batch_id: str) -> Iterator[Result]:
        with in_our_words(self._chat.sdk, self.id):
            for one in self._batches.results(batch_id):
                yield str(one.custom_id), self._result(one.result)

    def _result(self, result: Any) -> Any:
        if result.type == "succeeded":
            try:
                return self._chat.read(result.message)
            except MalformedReply as error:
                return error.code
        if result.type == "errored":
            return _ERRORS.get(result.error.error.type, ModelUnavailable).code
        return _UNREAD.get(result.type, EXPIRED)

    def cancel(self, batch_id: str) -> None:
        """Have the provider stop."""
        with in_our_words(self._chat.sdk, self.id):
            self._batches.cancel(batch_id)

    def forget(self, batch_id: str) -> None:
        """Delete what the provider keeps: it holds text of documents."""
        # One that is gone is as good as deleted.
        with suppress(ModelRejected), in_our_words(self._chat.sdk, self.id):
            self._batches.delete(batch_id)
