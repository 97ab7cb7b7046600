"""Passwords of documents that wait to be read: in memory alone, and only until they are."""

from __future__ import annotations

import threading

_MOST = 10_000


class Passwords:
    """What was said with an upload to open it. Never written anywhere; a restart forgets it.

    A document whose password is forgotten before it was read fails, and says that it needs one;
    uploading it again with the password reads it then.
    """

    def __init__(self) -> None:
        self._by_document: dict[str, str] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return "Passwords(...)"

    def keep(self, document_id: str, password: str) -> None:
        """Keep a document's password until it is forgotten; the oldest go when there are many."""
        with self._lock:
            self._by_document[document_id] = password
            while len(self._by_document) > _MOST:
                del self._by_document[next(iter(self._by_document))]

    def of(self, document_id: str) -> str | None:
        """The password of a document, if one was given."""
        return self._by_document.get(document_id)

    def forget(self, document_id: str) -> None:
        """Forget a document's password."""
        with self._lock:
            self._by_document.pop(document_id, None)
