"""Questions within a conversation: where they look, and what was said before them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from api.door import check_id
from api.schemas.asking import AskBody
from api.scopes import named
from api.services import Services
from api.understanding import History
from rag.catalog.conversations import Conversation, Message, check_room
from rag.errors import Conflict, InvalidRequest, NotFound
from rag.models.tasks import Exchange
from rag.types import Collection, Passage

# How many messages a question may lean on, and what of each answer is remembered.
_REMEMBERED = 6
_MOST_QUOTES = 3
_LONGEST_QUOTE = 600
_OF_CONVERSATION = ("collection", "collections", "filter")


class Conversing:
    """A conversation to which a question is put."""

    def __init__(self, services: Services, tenant: str, body: AskBody) -> None:
        """The conversation that a body names.

        Raises:
            NotFound: the tenant has no such conversation.
            InvalidRequest: the body says where to look, which the conversation does.
            Conflict: what it is about is gone, or it is full.
        """
        assert body.conversation is not None  # noqa: S101 - for those that name one
        for name in _OF_CONVERSATION:
            if getattr(body, name) is not None:
                raise InvalidRequest(
                    f"A conversation says itself where to look: leave out `{name}`, or ask "
                    "without `conversation`.",
                    param=name,
                )
        check_id("con", body.conversation, "conversation")
        self._services = services
        self._tenant = tenant
        self._conversation = services.catalog.conversations.get(tenant, body.conversation)
        check_room(self._conversation)
        self.collections = _collections(services, tenant, self._conversation)
        self.body = body.model_copy(
            update={
                "filter": self._conversation.filter,
                "engine": body.engine or self._conversation.engine,
            }
        )

    def history(self) -> History:
        """The last questions, and what their answers quoted."""
        found = self._services.catalog.conversations.messages(
            self._conversation.id, limit=_REMEMBERED, newest_first=True
        )
        return _history(list(reversed(found)))

    def add(self, question: str, answer_id: str, keep: Callable[[], None]) -> None:
        """Add a question and its answer, which ``keep`` stores.

        Raises:
            NotFound: the conversation was deleted meanwhile.
            Conflict: it is full.
        """
        self._services.catalog.conversations.add(
            self._tenant,
            self._conversation.id,
            question=question,
            answer_id=answer_id,
            keep=keep,
        )


def _collections(
    services: Services, tenant: str, conversation: Conversation
) -> tuple[Collection, ...]:
    try:
        return named(services, tenant, None, conversation.collections or None)
    except NotFound as error:
        raise Conflict(
            f"This conversation is about a collection that is deleted: {error.message} Begin a "
            "new one.",
            param="conversation",
        ) from error


def _history(messages: Sequence[Message]) -> History:
    earlier: list[Exchange] = []
    passages: list[Passage] = []
    documents: frozenset[str] = frozenset()
    for message in messages:
        answer = message.answer or {}
        quotes = list(islice(_quotes(answer), _MOST_QUOTES))
        places = range(len(passages), len(passages) + len(quotes))
        passages += quotes
        understood = answer.get("queries", {}).get("standalone_question", message.question)
        earlier.append(Exchange(question=understood, passages=tuple(places)))
        if understood != message.question:  # what completed it may be words of a document
            documents |= message.documents
    return History(earlier=tuple(earlier), passages=tuple(passages), documents=documents)


def _quotes(answer: Mapping[str, Any]) -> Iterator[Passage]:
    """What an answer quotes, as passages of its documents."""
    for sentence in answer.get("sentences", ()):
        for citation in sentence["citations"]:
            text = citation["cited_text"][:_LONGEST_QUOTE]
            start = citation["start_char_index"]
            yield Passage(
                document_id=citation["document_id"],
                document_title=citation["document_title"],
                start=start,
                end=start + len(text),
                text=text,
                score=1.0,
                start_page=citation["start_page_number"],
            )
