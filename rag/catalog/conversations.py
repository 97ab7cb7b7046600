"""Conversations: questions in a row, each with the answer that it was given.

What repeats text of documents is the answer's alone, and goes with it when a document is deleted;
the question stays, for it is the asker's.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from rag.catalog import schema as t
from rag.catalog.database import Database
from rag.catalog.records import forget_answers_of_conversation
from rag.errors import Conflict, NotFound

MOST_MESSAGES = 1_000
"""A conversation holds no more than this; the next question is for another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Where its questions look, and how many there are. No ``collections``: the default one."""

    id: str
    tenant: str
    title: str | None
    collections: tuple[str, ...]
    filter: Mapping[str, Any] | None
    engine: str | None
    message_count: int
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A question and its answer, as it was returned; ``None`` once a document of it is deleted.

    ``documents``: whose text the answer, and what it says of the question, may repeat.
    """

    id: str
    position: int
    question: str
    answer: Mapping[str, Any] | None
    documents: frozenset[str]
    created_at: float


class Conversations:
    """Make, list and delete conversations, and add to them."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def create(
        self,
        tenant: str,
        *,
        title: str | None = None,
        collections: Sequence[str] = (),
        filter: Mapping[str, Any] | None = None,
        engine: str | None = None,
    ) -> Conversation:
        """A new conversation without any questions."""
        now = time.time()
        row = {
            "id": f"con_{uuid.uuid4().hex[:24]}",
            "tenant": tenant,
            "title": title,
            "collections": list(collections),
            "filter": dict(filter) if filter is not None else None,
            "engine": engine,
            "message_count": 0,
            "created_at": now,
            "updated_at": now,
        }
        with self._db.write() as connection:
            connection.execute(sa.insert(t.conversations).values(row))
        return _conversation(row)

    def get(self, tenant: str, conversation_id: str) -> Conversation:
        """The conversation with this id.

        Raises:
            NotFound: the tenant has none.
        """
        with self._db.read() as connection:
            return _get(connection, tenant, conversation_id)

    def page(
        self, tenant: str, *, after: str | None = None, limit: int = 20, newest_first: bool = True
    ) -> Sequence[Conversation]:
        """One page in the order in which they were made, behind the one named ``after``.

        Raises:
            NotFound: the tenant has none of that id.
        """
        c = t.conversations.c
        where = c.tenant == tenant
        order = (c.created_at.desc(), c.id.desc()) if newest_first else (c.created_at, c.id)
        with self._db.read() as connection:
            if after is not None:
                last = _get(connection, tenant, after)
                place = sa.tuple_(c.created_at, c.id)
                mark = sa.tuple_(sa.literal(last.created_at), sa.literal(last.id))
                where &= place < mark if newest_first else place > mark
            query = sa.select(t.conversations).where(where).order_by(*order).limit(limit)
            return [_conversation(dict(row)) for row in connection.execute(query).mappings()]

    def messages(
        self,
        conversation_id: str,
        *,
        after: str | None = None,
        limit: int = 20,
        newest_first: bool = False,
    ) -> Sequence[Message]:
        """One page of questions and answers, oldest first unless the newest are wanted.

        Raises:
            NotFound: the conversation has no message of the id ``after``.
        """
        m, a = t.conversation_messages.c, t.answers.c
        mine = m.conversation_id == conversation_id
        query = (
            sa.select(m.id, m.position, m.question, m.created_at, m.answer_id, a.body)
            .select_from(t.conversation_messages.outerjoin(t.answers, a.id == m.answer_id))
            .where(mine)
            .order_by(m.position.desc() if newest_first else m.position)
            .limit(limit)
        )
        with self._db.read() as connection:
            if after is not None:
                at = connection.execute(sa.select(m.position).where(mine, m.id == after)).scalar()
                if at is None:
                    raise NotFound(f"No message {after!r} in this conversation.", param="after")
                query = query.where(m.position < at if newest_first else m.position > at)
            rows = connection.execute(query).all()
            documents = _documents(connection, [row.answer_id for row in rows])
        return [
            Message(
                id=row.id,
                position=row.position,
                question=row.question,
                answer=row.body,
                documents=documents.get(row.answer_id, frozenset()),
                created_at=row.created_at,
            )
            for row in rows
        ]

    def add(
        self,
        tenant: str,
        conversation_id: str,
        *,
        question: str,
        answer_id: str,
        keep: Callable[[], None],
    ) -> None:
        """Add a question with its answer; both are stored, or neither.

        Args:
            tenant: Whose conversation it is.
            conversation_id: The conversation.
            question: As it was asked.
            answer_id: Of the answer to it.
            keep: Stores the answer, unless a document of it was deleted meanwhile.

        Raises:
            NotFound: the conversation was deleted meanwhile.
            Conflict: it is full.
        """
        now = time.time()
        c = t.conversations.c
        with self._db.write() as connection:
            conversation = _get(connection, tenant, conversation_id)
            check_room(conversation)
            keep()
            kept = sa.select(t.answers.c.id).where(t.answers.c.id == answer_id)
            row = {
                "id": f"msg_{uuid.uuid4().hex[:24]}",
                "conversation_id": conversation_id,
                "position": conversation.message_count,
                "question": question,
                "answer_id": connection.execute(kept).scalar(),
                "created_at": now,
            }
            connection.execute(sa.insert(t.conversation_messages).values(row))
            values = {"message_count": conversation.message_count + 1, "updated_at": now}
            connection.execute(
                sa.update(t.conversations).where(c.id == conversation_id).values(values)
            )

    def delete(self, tenant: str, conversation_id: str) -> None:
        """Delete a conversation with its questions and answers.

        Raises:
            NotFound: the tenant has none.
        """
        with self._db.write() as connection:
            _get(connection, tenant, conversation_id)
            forget_answers_of_conversation(connection, conversation_id)
            which = t.conversations.c.id == conversation_id
            connection.execute(sa.delete(t.conversations).where(which))
        self._db.scrub()


def check_room(conversation: Conversation) -> None:
    """Refuse a question that a conversation has no room for.

    Raises:
        Conflict: it is full.
    """
    if conversation.message_count >= MOST_MESSAGES:
        raise Conflict(
            f"This conversation has {MOST_MESSAGES} questions, which is all that one holds; "
            "go on in a new one.",
            param="conversation",
        )


def _documents(
    connection: sa.Connection, answer_ids: Sequence[str | None]
) -> Mapping[str | None, frozenset[str]]:
    """Whose text some answers may repeat."""
    c = t.answer_documents.c
    query = sa.select(c.answer_id, c.document_id).where(
        c.answer_id.in_([one for one in answer_ids if one is not None])
    )
    found: dict[str | None, frozenset[str]] = {}
    for answer_id, document_id in connection.execute(query):
        found[answer_id] = found.get(answer_id, frozenset()) | {document_id}
    return found


def _get(connection: sa.Connection, tenant: str, conversation_id: str) -> Conversation:
    c = t.conversations.c
    query = sa.select(t.conversations).where(c.tenant == tenant, c.id == conversation_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFound(f"No conversation {conversation_id!r}.", param="conversation")
    return _conversation(dict(row))


def _conversation(row: Mapping[str, Any]) -> Conversation:
    return Conversation(**{**row, "collections": tuple(row["collections"])})
