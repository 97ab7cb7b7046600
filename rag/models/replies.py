"""Replies of language models under their content keys: no recorded reply is bought again.

Within an attempt at a task every reply is found known, bad ones too, so that a crash costs nothing.
An attempt that has ended in failure is written down, and the next one makes calls of its own:
what failed once need not fail for ever.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, Protocol

from rag.models.chat import ChatReply
from rag.types import Passage


class ReplyStore(Protocol):
    """Keeps replies until a document whose text they repeat is deleted. Thread-safe."""

    def get(self, tenant: str, key: str) -> ChatReply | None:
        """The reply to the very same call, if there was one."""
        ...

    def put(
        self,
        tenant: str,
        key: str,
        reply: ChatReply,
        *,
        documents: Set[str],
        also: Callable[[], None],
    ) -> None:
        """Keep a reply that may repeat text of these documents; durable on return.

        ``also`` writes down what goes with it: where that is kept in the same place, both are
        stored or neither.
        """
        ...

    def last_failed(self, tenant: str, task: str) -> int:
        """The last attempt at a task that ended in failure, counted from 1; 0 if none did."""
        ...

    def fail(self, tenant: str, task: str, attempt: int, *, documents: Set[str]) -> None:
        """Keep that an attempt at a task with these documents failed; durable on return."""
        ...


class NoReplies:
    """Keeps nothing."""

    def get(self, tenant: str, key: str) -> ChatReply | None:
        """Never a reply."""
        return None

    def put(
        self,
        tenant: str,
        key: str,
        reply: ChatReply,
        *,
        documents: Set[str],
        also: Callable[[], None],
    ) -> None:
        """Forget it."""
        also()

    def last_failed(self, tenant: str, task: str) -> int:
        """Never any."""
        return 0

    def fail(self, tenant: str, task: str, attempt: int, *, documents: Set[str]) -> None:
        """Forget it."""


def documents_of(passages: Sequence[Passage]) -> frozenset[str]:
    """Whose text passages hold; what a caller gives as text is of no document."""
    return frozenset(one.document_id for one in passages if one.document_id)


def content_key(parts: Mapping[str, Any]) -> str:
    """The sha256 of all that goes into a call, before any of it is rendered."""
    canonical = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def marker(secret: bytes, key: str) -> str:
    """What delimits untrusted text in a call: nobody who writes documents can guess it.

    The same call has the same marker, so that its key, too, stays the same.
    """
    return hmac.new(secret, key.encode(), hashlib.sha256).hexdigest()[:16]
