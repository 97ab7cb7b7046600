"""Replies of language models, kept under the content key of the call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.models.chat import ChatReply, Finish, Tokens

# Built once: building them takes longer than carrying them out, and each call waits for that.
_TENANT: sa.BindParameter[str] = sa.bindparam("tenant_")
_KEY: sa.BindParameter[str] = sa.bindparam("key_")
_KNOWN = sa.select(t.replies.c.key).where(t.replies.c.tenant == _TENANT, t.replies.c.key == _KEY)
_BODY = _KNOWN.with_only_columns(t.replies.c.body)
_INSERT, _INSERT_DOCUMENTS = sa.insert(t.replies), sa.insert(t.reply_documents)
_FAILED = sa.select(t.failed_tasks.c.key).where(
    t.failed_tasks.c.tenant == _TENANT, t.failed_tasks.c.key == _KEY
)
_LAST_FAILED = _FAILED.with_only_columns(sa.func.max(t.failed_tasks.c.attempt))
_PRESENT = sa.select(sa.func.count()).where(
    t.documents.c.tenant == _TENANT,
    t.documents.c.id.in_(sa.bindparam("documents", expanding=True)),
)
_MAY_PUT = sa.select(_PRESENT.scalar_subquery(), ~_KNOWN.exists())
_MAY_FAIL = sa.select(
    _PRESENT.scalar_subquery(),
    ~_FAILED.where(t.failed_tasks.c.attempt == sa.bindparam("attempt_")).exists(),
)


class Replies:
    """The `rag.models.replies.ReplyStore` of the catalog.

    A call holds text of documents, and its reply repeats some; it goes when one is deleted.
    """

    def __init__(self, database: Database) -> None:
        self._db = database
        self._failed: set[int] | None = None
        self._loading = threading.Lock()

    def get(self, tenant: str, key: str) -> ChatReply | None:
        """The reply to the very same call, if there was one."""
        body = self._db.value(_BODY, {"tenant_": tenant, "key_": key})
        if body is None:
            return None
        finish, tokens = Finish(body["finish"]), Tokens(**body["tokens"])
        return ChatReply(**{**body, "finish": finish, "tokens": tokens})

    def put(
        self,
        tenant: str,
        key: str,
        reply: ChatReply,
        *,
        documents: Set[str],
        also: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep a reply, unless a document was deleted meanwhile; durable on return.

        What ``also`` writes to the catalog is stored with it, or nothing is.
        """
        row = {"tenant": tenant, "key": key, "body": asdict(reply), "created_at": time.time()}

        def keep(connection: sa.Connection) -> None:
            also()
            place = {"tenant_": tenant, "key_": key}
            if not _may_keep(connection, _MAY_PUT, place, documents):
                return
            connection.execute(_INSERT, row)
            if documents:
                rows = [{"tenant": tenant, "key": key, "document_id": one} for one in documents]
                connection.execute(_INSERT_DOCUMENTS, rows)

        self._db.together(keep)

    def last_failed(self, tenant: str, task: str) -> int:
        """The last attempt at a task that ended in failure, counted from 1; 0 if none did."""
        if not self._db.is_shared and hash((tenant, task)) not in self._ever_failed():
            return 0
        return self._db.value(_LAST_FAILED, {"tenant_": tenant, "key_": task}) or 0

    def _ever_failed(self) -> set[int]:
        """The hashes of all tasks that failed, and of some that are deleted.

        Nearly no task has failed, and each call would wait to read that. For databases that
        nobody else writes to.
        """
        with self._loading:
            if self._failed is None:
                c = t.failed_tasks.c
                with self._db.read() as connection:
                    found = connection.execute(sa.select(c.tenant, c.key).distinct())
                    self._failed = {hash(tuple(row)) for row in found}
            return self._failed

    def fail(self, tenant: str, task: str, attempt: int, *, documents: Set[str]) -> None:
        """Keep that an attempt failed, unless a document was deleted meanwhile."""
        row = {"tenant": tenant, "key": task, "attempt": attempt}
        self._ever_failed().add(hash((tenant, task)))
        with self._db.write() as connection:
            place = {"tenant_": tenant, "key_": task, "attempt_": attempt}
            if not _may_keep(connection, _MAY_FAIL, place, documents):
                return
            rows = [{**row, "document_id": one} for one in documents or {""}]
            connection.execute(sa.insert(t.failed_tasks), rows)


def forget_replies(connection: sa.Connection, document_id: str) -> None:
    """Remove all replies and failures with a document's text, within the caller's transaction."""
    for table, documents in ((t.replies, t.reply_documents), (t.failed_tasks, t.failed_tasks)):
        c = documents.c
        mine = sa.select(c.tenant, c.key).where(c.document_id == document_id)
        which = sa.tuple_(table.c.tenant, table.c.key).in_(mine)
        connection.execute(sa.delete(table).where(which))


def _may_keep(
    connection: sa.Connection,
    query: sa.Select[Any],
    place: Mapping[str, Any],
    documents: Set[str],
) -> bool:
    """Whether none of the documents has been deleted, and no other thread kept the same."""
    given = {**place, "documents": list(documents)}
    present, is_new = connection.execute(query, given).one()
    return bool(is_new) and present == len(documents)
