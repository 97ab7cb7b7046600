"""Conversations: questions that may lean on those before them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api import events
from api.bodies import RawBody
from api.door import Door, DoorDep, KeyDep, TenantDep, check_id
from api.engines import check_engine
from api.idempotency import IdempotencyKey, Reply, fingerprint, once
from api.routes.answers import answer_question
from api.schemas.answers import AnswerOut
from api.schemas.common import After, Deleted, Limit, ListOf, Order, failures, page
from api.schemas.conversations import (
    ConversationCreate,
    ConversationDetail,
    ConversationOut,
    MessageBody,
    MessageOut,
)
from rag.catalog.conversations import Conversation
from rag.catalog.filters import document_condition

router = APIRouter(prefix="/conversations", tags=["Conversations"])
_LAST = 20


@router.post(
    "",
    status_code=201,
    summary="Begin a conversation",
    response_model=ConversationOut,
    responses=failures(400, 404, 409, 413, 507),
)
def create_conversation(
    body: ConversationCreate,
    raw: RawBody,
    door: DoorDep,
    tenant: TenantDep,
    key: IdempotencyKey = None,
) -> Response:
    """Begin a conversation about collections, or those of their documents that fit a filter."""
    if body.engine is not None:
        check_engine(door.services.engines, body.engine)
    if body.filter:
        document_condition(body.filter, {})
    named = body.collection is not None or body.collections is not None
    found = door.collections(tenant, body.collection, body.collections) if named else ()

    def create() -> Reply:
        conversation = door.services.catalog.conversations.create(
            tenant,
            title=body.title,
            collections=[collection.id for collection in found],
            filter=body.filter,
            engine=body.engine,
        )
        return Reply(status=201, body=ConversationOut.of(conversation).model_dump_json())

    mark = fingerprint("POST", "/conversations", raw)
    return once(door.services.catalog.requests, tenant, key, mark, create)


@router.get("", summary="List conversations", responses=failures(404))
def list_conversations(
    door: DoorDep,
    tenant: TenantDep,
    limit: Limit = 20,
    after: After = None,
    order: Order = "desc",
) -> ListOf[ConversationOut]:
    """All conversations without their messages, newest first, page by page."""
    if after is not None:
        check_id("con", after, "conversation")
    found = door.services.catalog.conversations.page(
        tenant, after=after, limit=limit + 1, newest_first=order == "desc"
    )
    return page(found, limit, ConversationOut.of)


@router.get("/{conversation_id}", summary="Show a conversation", responses=failures(404))
def get_conversation(conversation_id: str, door: DoorDep, tenant: TenantDep) -> ConversationDetail:
    """A conversation with its last messages."""
    conversation = _conversation(door, tenant, conversation_id)
    found = door.services.catalog.conversations.messages(
        conversation.id, limit=_LAST, newest_first=True
    )
    messages = [MessageOut.of(one) for one in reversed(found)]
    return ConversationDetail.with_messages(conversation, messages)


@router.delete("/{conversation_id}", summary="Delete a conversation", responses=failures(404, 507))
def delete_conversation(conversation_id: str, door: DoorDep, tenant: TenantDep) -> Deleted:
    """Delete a conversation, its questions and its answers, for good."""
    check_id("con", conversation_id, "conversation")
    door.services.catalog.conversations.delete(tenant, conversation_id)
    return Deleted(id=conversation_id, object="conversation")


@router.get("/{conversation_id}/messages", summary="List messages", responses=failures(404))
def list_messages(
    conversation_id: str,
    door: DoorDep,
    tenant: TenantDep,
    limit: Limit = 20,
    after: After = None,
    order: Order = "asc",
) -> ListOf[MessageOut]:
    """The questions of a conversation with their answers, in the order in which they were asked."""
    conversation = _conversation(door, tenant, conversation_id)
    if after is not None:
        check_id("msg", after, "after")
    found = door.services.catalog.conversations.messages(
        conversation.id, after=after, limit=limit + 1, newest_first=order == "desc"
    )
    return page(found, limit, MessageOut.of)


@router.post(
    "/{conversation_id}/messages",
    summary="Ask within a conversation",
    response_model=AnswerOut,
    responses={
        200: {
            "description": "The answer, or, with `stream`, its events.",
            "content": {events.MEDIA_TYPE: {}},
        },
        **failures(400, 402, 404, 409, 413, 503, 507),
    },
)
def create_message(
    conversation_id: str,
    body: MessageBody,
    request: Request,
    door: DoorDep,
    tenant: TenantDep,
    asker: KeyDep,
    key: IdempotencyKey = None,
) -> Response:
    """Ask a question that may lean on earlier ones: "Who signed it?", "And in 2023?".

    The same as `POST /ask` with `conversation`. `queries.standalone_question` of the answer says
    how the question was understood; one that stands by itself is left as it is. Question and
    answer are added to the conversation when the answer is complete.
    """
    check_id("con", conversation_id, "conversation")
    asked = body.as_asked(conversation_id)
    return answer_question(asked, request, door, tenant, asker, key)


def _conversation(door: Door, tenant: str, conversation_id: str) -> Conversation:
    check_id("con", conversation_id, "conversation")
    return door.services.catalog.conversations.get(tenant, conversation_id)
