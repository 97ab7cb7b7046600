"""From what was asked to what is looked up: by rules, or by an engine where that is wanted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from api.schemas.asking import Looking
from rag.errors import InvalidRequest
from rag.models.engine import Context, Engine
from rag.models.offline import ID as OFFLINE
from rag.models.offline.rewriting import rewrite
from rag.models.replies import documents_of
from rag.models.tasks import Exchange, Queries, RewriteTask
from rag.types import Passage, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Questions asked before in a conversation, and what their answers quoted.

    ``documents``: whose words may have completed these questions.
    """

    earlier: tuple[Exchange, ...] = ()
    passages: tuple[Passage, ...] = ()
    documents: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What is looked up for a question. ``documents``: whose text it may repeat."""

    queries: Queries
    documents: frozenset[str] = frozenset()
    usage: Usage = field(default_factory=Usage)
    notes: tuple[str, ...] = ()


def understand(
    question: str, how: Looking, engine: Engine, context: Context, history: History
) -> Understood:
    """What to look up for a question.

    A question without a history is taken apart by rules, which cost nothing, unless the request
    asks for more; one with a history is rewritten by the engine.

    Raises:
        InvalidRequest: a passage is to be made up, and the engine makes nothing up.
        ModelError: the engine failed, and nothing stands in for it.
    """
    imagine = how.expand == "hyde"
    if imagine and engine.id == OFFLINE:
        raise InvalidRequest(
            "`expand` needs a language model to make a passage up; name one in `engine`.",
            param="expand",
        )
    task = RewriteTask(
        question=question, passages=history.passages, earlier=history.earlier, imagine=imagine
    )
    if imagine or how.decompose == "engine" or history.earlier:
        outcome = engine.run(task, replace(context, documents=history.documents))
    else:
        outcome = rewrite(task)
    queries = outcome.value
    if how.decompose == "none":
        queries = replace(queries, parts=())
    as_asked = queries == Queries(question=question)
    return Understood(
        queries=queries,
        documents=frozenset() if as_asked else documents_of(history.passages) | history.documents,
        usage=outcome.usage,
        notes=outcome.notes,
    )
