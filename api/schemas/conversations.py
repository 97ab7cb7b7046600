"""Conversations as JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.answers import AnswerOut
from api.schemas.asking import AskBody, Where
from api.schemas.common import Strict, Words
from api.schemas.queries import Decompose, Expand
from rag.catalog.conversations import Conversation, Message


class ConversationCreate(Where):
    """Where the questions of a conversation look."""

    title: Words | None = Field(None, max_length=200, examples=["The boat house"])
    engine: str | None = Field(
        None,
        description="What answers, and understands questions that lean on earlier ones, unless a "
        "question names another; see `GET /engines`.",
        examples=["offline"],
    )

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"title": "The boat house", "collection": "contracts"}]},
    )


class MessageBody(Strict):
    """A question of a conversation. What is left out is as with `POST /ask`."""

    question: Words = Field(max_length=10_000, examples=["And when is it due?"])
    top_k: int = Field(8, ge=1, le=50, description="Most passages to read.")
    rerank: bool | None = Field(None, description="Read the first passages and order them anew.")
    decompose: Decompose = Field(
        "rules", description="Who takes a question of several parts apart."
    )
    expand: Expand | None = Field(
        None, description="`hyde`: passages like one that a language model makes up are found, too."
    )
    engine: str | None = Field(None, description="Else the conversation's.", examples=["offline"])
    budget_usd: float | None = Field(None, gt=0, le=1_000_000, examples=[0.05])
    prompt: str | None = Field(None, max_length=100, examples=["answer/strict"])
    instructions: Words | None = Field(
        None, max_length=4_000, description="How to answer: length, tone, language."
    )
    stream: bool = Field(False, description="Answer as server-sent events.")

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"question": "And when is it due?"}]}
    )

    def as_asked(self, conversation_id: str) -> AskBody:
        """The same as a question that names its conversation."""
        return AskBody(**self.model_dump(), conversation=conversation_id)


class MessageOut(BaseModel):
    """A question and its answer."""

    id: str = Field(examples=["msg_9c1e5a7b3d2f4e6a8b0c1d2e"])
    object: Literal["conversation.message"] = "conversation.message"
    question: str = Field(description="As it was asked.")
    answer: AnswerOut | None = Field(
        description="Null once a document that it was read from is deleted."
    )
    created_at: int = Field(description="Unix seconds.")

    @classmethod
    def of(cls, message: Message) -> MessageOut:
        """A message as the catalog keeps it."""
        return cls(
            id=message.id,
            question=message.question,
            answer=AnswerOut(**message.answer) if message.answer is not None else None,
            created_at=int(message.created_at),
        )


class ConversationOut(BaseModel):
    """A conversation."""

    id: str = Field(examples=["con_2b7d4e9f1a3c4d5e8f6071a2"])
    object: Literal["conversation"] = "conversation"
    title: str | None
    collections: list[str] = Field(description="Ids; empty for the collection `default`.")
    filter: dict[str, Any] | None
    engine: str | None
    message_count: int
    created_at: int = Field(description="Unix seconds.")
    updated_at: int

    @classmethod
    def of(cls, conversation: Conversation) -> ConversationOut:
        """A conversation as the catalog keeps it."""
        return cls(**_fields(conversation))


class ConversationDetail(ConversationOut):
    """A conversation with its last messages."""

    messages: list[MessageOut] = Field(
        description="The last 20, oldest first; `GET …/messages` has all of them."
    )

    @classmethod
    def with_messages(
        cls, conversation: Conversation, messages: list[MessageOut]
    ) -> ConversationDetail:
        """A conversation as the catalog keeps it, and messages of it."""
        return cls(**_fields(conversation), messages=messages)


def _fields(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "title": conversation.title,
        "collections": list(conversation.collections),
        "filter": conversation.filter,
        "engine": conversation.engine,
        "message_count": conversation.message_count,
        "created_at": int(conversation.created_at),
        "updated_at": int(conversation.updated_at),
    }
