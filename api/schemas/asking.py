"""What can be asked for in a search and a question, as JSON."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from api.schemas.common import Filter, Strict, Text, Words
from api.schemas.queries import Decompose, Expand
from rag.retrieve import Mode
from rag.types import Around


class Where(Strict):
    """The documents that are meant."""

    collection: Text | None = Field(
        None,
        description="Id or name; the collection `default` when neither form is given.",
        examples=["contracts"],
        max_length=200,
    )
    collections: list[Text] | None = Field(
        None, description="Several ids or names.", min_length=1, max_length=20
    )
    filter: Filter | None = None


class Scope(Where):
    """Where to look, and whether what is found first is read once more."""

    rerank: bool | None = Field(
        None,
        description="Read the first passages with the query and order them anew; when not given, "
        "as the service is set (`IBIDEM_RERANK`).",
    )


class Read(Scope):
    """Who reads what is found there, and for how much."""

    engine: str | None = Field(
        None,
        description="What reads or judges, and what rewrites questions, see `GET /engines`; "
        "else what the collections are pinned to, else the service's default.",
        examples=["offline"],
    )
    budget_usd: float | None = Field(
        None,
        gt=0,
        le=1_000_000,
        description="Most that language models may cost; a 402 says that it does not suffice.",
        examples=[0.05],
    )


class Looking(Read):
    """How what is asked is looked up."""

    decompose: Decompose = Field(
        "rules",
        description="Who takes a question of several parts apart, so that each is looked up: "
        "`rules` by its form, the `engine` by understanding it, or nobody.",
    )
    expand: Expand | None = Field(
        None,
        description="`hyde`: a language model makes up a passage that might answer, and passages "
        "like it are found, too. Nothing is answered from it.",
    )


class SearchBody(Looking):
    """A query."""

    query: Words = Field(max_length=10_000, examples=["termination for convenience"])
    mode: Mode = Field(Mode.HYBRID, description="Which rankings to ask.")
    top_k: int = Field(8, ge=1, le=100, description="Most passages to return.")
    diversity: float = Field(
        0.0,
        ge=0,
        le=1,
        description="How much it counts that passages say different things (maximal marginal "
        "relevance): 0 ranks by relevance alone, 1 by difference alone.",
        examples=[0.3],
    )
    context: Around = Field(
        Around.NONE,
        description="What is returned around each passage: the chunks beside it (`neighbours`), "
        "or the `section` that it is in, at most 8,000 characters of either.",
    )

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"query": "termination for convenience", "mode": "hybrid", "top_k": 5}]
        },
    )


class AskBody(Looking):
    """A question."""

    question: Words = Field(max_length=10_000, examples=["What notice does termination need?"])
    top_k: int = Field(8, ge=1, le=50, description="Most passages to read.")
    conversation: str | None = Field(
        None,
        description="Id of the conversation that the question belongs to, see `POST "
        "/conversations`: it may lean on what was asked before, and says where to look.",
        examples=["con_2b7d4e9f1a3c4d5e8f6071a2"],
        max_length=64,
    )
    prompt: str | None = Field(
        None,
        description="What a language model is asked with: `answer/FORM`, or `answer/FORM@VERSION`; "
        "see `GET /prompts`.",
        examples=["answer/strict"],
        max_length=100,
    )
    instructions: Words | None = Field(
        None,
        max_length=4_000,
        description="How to answer: length, tone, language, what to attend to. Language models "
        "follow them as far as every sentence can still be cited; `notes` say where nobody does.",
        examples=["In one sentence, in German."],
    )
    stream: bool = Field(False, description="Answer as server-sent events.")

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"question": "What notice does termination need?"}]},
    )
