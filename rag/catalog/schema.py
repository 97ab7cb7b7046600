"""The tables. SQL is the truth; every index is derived from it.

Rows that belong to one version of a document carry its ``generation`` (the number of the
job that wrote them) and are invisible until ``documents.generation`` names it.
Chunks and their vectors also belong to one ``edition`` of the collection: a chunking and an
embedding model. ``collections.edition`` names the one that is searched; others are being built
or kept. A chunk's id is ``placements.first_chunk_id + chunks.position``: contiguous per document
and edition, given out when the document becomes visible in it, never used again.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction


class json_integers(GenericFunction[int]):
    """The elements of a JSON list of integers as rows of one column, ``value``."""

    type = sa.BigInteger()
    inherit_cache = True


@compiles(json_integers, "sqlite")
def _sqlite_integers(element: Any, compiler: Any, **kw: Any) -> str:
    return f"json_each{compiler.process(element.clause_expr, **kw)}"


@compiles(json_integers, "postgresql")
def _postgresql_integers(element: Any, compiler: Any, **kw: Any) -> str:
    values = compiler.process(next(iter(element.clauses)), **kw)
    elements = f"json_array_elements_text(CAST({values} AS JSON))"
    # Nothing of the caller's: ``values`` is the name of a parameter.
    return f"(SELECT CAST(element AS BIGINT) AS value FROM {elements} AS element)"  # noqa: S608


metadata = sa.MetaData()
Json = sa.JSON(none_as_null=True)
Queried = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

collections = sa.Table(
    "collections",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("engine", sa.Text),
    sa.Column("metadata_schema", Json, nullable=False),
    sa.Column("edition", sa.Integer, nullable=False, comment="The one that is searched."),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("next_chunk_id", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.UniqueConstraint("tenant", "name", name="collections_tenant_name"),
)

editions = sa.Table(
    "editions",
    metadata,
    sa.Column("collection_id", sa.ForeignKey("collections.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("embedder", sa.Text, nullable=False),
    sa.Column("chunking", Json, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("job_id", sa.Text, comment="What builds it."),
    sa.Column("closing_until", sa.Double, comment="Till then documents wait to be added."),
    sa.Column("replaced_at", sa.Double, comment="When another one came to be searched."),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Index("editions_status", "status"),
    comment="How a collection is or was cut and embedded; a number is never used again.",
)

documents = sa.Table(
    "documents",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("collection_id", sa.ForeignKey("collections.id"), nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("title", sa.Text),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("error", Json),
    sa.Column("metadata", Queried, nullable=False),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("uploaded", sa.Boolean, nullable=False, comment="Not only inside another file."),
    sa.Column("generation", sa.BigInteger),
    sa.Column("page_count", sa.Integer, nullable=False),
    sa.Column("text_length", sa.Integer, nullable=False),
    sa.Column("warnings", Json, nullable=False),
    sa.Column("locked", sa.Boolean, nullable=False, comment="A password may open more of it."),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.UniqueConstraint("tenant", "collection_id", "sha256", name="documents_content"),
    sa.Index("documents_collection_id", "collection_id"),
    sa.Index("documents_sha256", "sha256"),
)

placements = sa.Table(
    "placements",
    metadata,
    sa.Column("document_id", sa.Text, primary_key=True),
    sa.Column("edition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("collection_id", sa.Text, nullable=False),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("first_chunk_id", sa.BigInteger, nullable=False),
    sa.Column("chunk_count", sa.Integer, nullable=False),
    sa.Index("placements_chunk_ids", "collection_id", "first_chunk_id"),
    sa.Index("placements_edition", "collection_id", "edition"),
    comment="The documents of an edition, and the ids of their chunks in it.",
)

attachments = sa.Table(
    "attachments",
    metadata,
    sa.Column("parent_id", sa.ForeignKey("documents.id"), primary_key=True),
    sa.Column("child_id", sa.ForeignKey("documents.id"), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Index("attachments_child_id", "child_id"),
    comment="Which document was found inside which.",
)

segments = sa.Table(
    "segments",
    metadata,
    sa.Column("document_id", sa.Text, primary_key=True),
    sa.Column("generation", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("start", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("end", sa.Integer, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)

pages = sa.Table(
    "pages",
    metadata,
    sa.Column("document_id", sa.Text, primary_key=True),
    sa.Column("generation", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("start", sa.Integer, nullable=False),
    sa.Column("end", sa.Integer, nullable=False),
    sa.Column("width", sa.Double, nullable=False),
    sa.Column("height", sa.Double, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("boxes", sa.LargeBinary, nullable=False),
)

blocks = sa.Table(
    "blocks",
    metadata,
    sa.Column("document_id", sa.Text, primary_key=True),
    sa.Column("generation", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("start", sa.Integer, nullable=False),
    sa.Column("end", sa.Integer, nullable=False),
    sa.Column("level", sa.Integer, nullable=False),
    sa.Column("cells", Json, nullable=False, comment="A table's: row, column, start, end."),
)

readings = sa.Table(
    "readings",
    metadata,
    sa.Column("document_id", sa.Text, primary_key=True),
    sa.Column("generation", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("title", sa.Text),
    sa.Column("warnings", Json, nullable=False),
    sa.Column("locked", sa.Boolean, nullable=False),
    comment="What reading found out about a document, which has it once the text is visible.",
)

likenesses = sa.Table(
    "likenesses",
    metadata,
    sa.Column("document_id", sa.Text, primary_key=True),
    sa.Column("generation", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("sketch", sa.LargeBinary, nullable=False),
    sa.Column("words_sha256", sa.LargeBinary, nullable=False),
    comment="What is kept of a text to find others like it; see rag/minhash.py.",
)

chunks = sa.Table(
    "chunks",
    metadata,
    sa.Column("document_id", sa.Text, primary_key=True),
    sa.Column("generation", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("edition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("start", sa.Integer, nullable=False),
    sa.Column("end", sa.Integer, nullable=False),
    sa.Column("tokens", sa.Integer, nullable=False),
    sa.Column("text_sha256", sa.LargeBinary, nullable=False),
    sa.Index("chunks_text_sha256", "text_sha256"),
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("document_id", sa.Text, primary_key=True),
    sa.Column("generation", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("done", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("characters", sa.Integer, nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False, comment="Empty in all but the last."),
    sa.Column("parts", sa.LargeBinary, nullable=False),
    comment="What is read of long documents, until they are read to their end.",
)

changes = sa.Table(
    "changes",
    metadata,
    sa.Column("collection_id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("op", sa.Text, nullable=False),
    sa.Column("document_id", sa.Text, nullable=False),
    sa.Column("edition", sa.Integer, nullable=False),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("first_chunk_id", sa.BigInteger, nullable=False),
    sa.Column("chunk_count", sa.Integer, nullable=False),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column(
        "number",
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("document_id", sa.Text),
    sa.Column("collection_id", sa.Text),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    # Times that reading the document ended the process, or failed as nobody foresaw.
    sa.Column("begun", sa.Integer, nullable=False),
    sa.Column("done", sa.Integer, nullable=False),
    sa.Column("total", sa.Integer),
    sa.Column("unit", sa.Text),
    sa.Column("error", Json),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Index("jobs_status", "status"),
    sqlite_autoincrement=True,
)

work = sa.Table(
    "work",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("spec", Json, nullable=False),
    sa.Column("lane", sa.Text, nullable=False, comment="Which threads carry its items out."),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("budget_usd", sa.Double),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("claims", sa.BigInteger, nullable=False, comment="Made of its items so far."),
    sa.Column("progress", sa.BigInteger, nullable=False, comment="As a worker died last."),
    sa.Column("result", Json),
    # Progress is counted from here on: what was done before a pause says nothing of the pace.
    sa.Column("paced_since", sa.Double),
    sa.Column("paced_from", sa.Integer, nullable=False),
    comment="Jobs made of items: analyses and batches of requests.",
)

work_items = sa.Table(
    "work_items",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("round", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("payload", Json, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", sa.Double, nullable=False),
    sa.Column("token", sa.BigInteger, nullable=False, comment="Number of the last claim."),
    sa.Column("worker", sa.Text, comment="Who is at work on it."),
    sa.Column("result", Json),
    sa.Column("code", sa.Text, comment="Of the error."),
    sa.Column("error", Json),
    sa.Index("work_items_waiting", "job_id", "status", "attempts", "round", "position"),
    sa.Index("work_items_worker", "worker"),
)

work_documents = sa.Table(
    "work_documents",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("round", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("document_id", sa.Text, primary_key=True),
    sa.Column("in_payload", sa.Boolean, primary_key=True),
    sa.Index("work_documents_document_id", "document_id"),
    comment="Whose text an item, or in round -1 the result of a job, repeats.",
)

reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("document_id", sa.Text, primary_key=True, comment="Empty of a result of all."),
    sa.Column("pointer", sa.Text, primary_key=True, comment="Into the document's value."),
    sa.Column("mark", sa.Text, primary_key=True, comment="Hash of what was decided on, or empty."),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("value", Json, comment="In a list: SQLite rounds a large number that stands alone."),
    sa.Column("note", sa.Text),
    sa.Column("key", sa.Text, nullable=False, comment="Public name of the key of who decided."),
    sa.Column("created_at", sa.Double, nullable=False),
    comment="What people decided on doubtful values of analyses; the last decision counts.",
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("until", sa.Double, nullable=False, comment="By the database's clock."),
    comment="Who may be at work on items, unless no sign of life comes before the time.",
)

model_places = sa.Table(
    "model_places",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("process", sa.Text, nullable=False),
    sa.Column("until", sa.Double, nullable=False, comment="By the database's clock."),
    sa.Index("model_places_provider", "provider"),
    sa.Index("model_places_process", "process"),
    comment="Calls of language models under way, where several processes share the limits.",
)

model_rates = sa.Table(
    "model_rates",
    metadata,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("calls", sa.Double, nullable=False, comment="Spent of a minute's, as of `at`."),
    sa.Column("tokens", sa.Double, nullable=False, comment="Spent of a minute's, as of `at`."),
    sa.Column("at", sa.Double, nullable=False, comment="By the database's clock."),
    comment="What providers were asked for lately, where several processes share the limits.",
)

source_files = sa.Table(
    "source_files",
    metadata,
    sa.Column(
        "collection_id",
        sa.ForeignKey("collections.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("document_id", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("current", sa.Boolean, nullable=False, comment="Not an earlier content's."),
    sa.Column("owned", sa.Boolean, nullable=False, comment="The document came from a source."),
    sa.Index("source_files_document_id", "document_id"),
    comment="The files of folders that a collection is kept in step with.",
)

garbage = sa.Table(
    "garbage",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("embedder", sa.Text, primary_key=True),
    sa.Column("key", sa.LargeBinary, primary_key=True),
    comment="Vectors and originals (embedder '') that a deletion left to be removed.",
)

requests = sa.Table(
    "requests",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("body", Json),
    sa.Column("answer_id", sa.Text, comment="The answer that the body holds; goes with it."),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Index("requests_answer_id", "answer_id"),
)

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("body", Json, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Index("answers_created_at", "created_at"),
)

replies = sa.Table(
    "replies",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("body", Json, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    comment="What language models replied, by the content key of the call.",
)

prompts = sa.Table(
    "prompts",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    comment="Versions of callers' own prompts; none is ever changed.",
)

reply_documents = sa.Table(
    "reply_documents",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("document_id", sa.Text, primary_key=True),
    sa.ForeignKeyConstraint(
        ["tenant", "key"], ["replies.tenant", "replies.key"], ondelete="CASCADE"
    ),
    sa.Index("reply_documents_document_id", "document_id"),
    comment="Whose text a call held; its reply goes with the first of them.",
)

failed_tasks = sa.Table(
    "failed_tasks",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column(
        "document_id", sa.Text, primary_key=True, comment="Empty for a task with no document."
    ),
    sa.Index("failed_tasks_document_id", "document_id"),
    comment="Attempts at tasks that language models failed, by the content key of the task.",
)

usage = sa.Table(
    "usage",
    metadata,
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("job", sa.Text, primary_key=True, comment="Empty for calls of no job."),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("calls", sa.BigInteger, nullable=False),
    sa.Column("failures", Json, nullable=False),
    sa.Column("input_tokens", sa.BigInteger, nullable=False),
    sa.Column("cached_tokens", sa.BigInteger, nullable=False),
    sa.Column("output_tokens", sa.BigInteger, nullable=False),
    sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
    sa.Column("cost_usd", sa.Double, nullable=False),
    sa.Column("unpriced", sa.BigInteger, nullable=False, comment="Replies without a price."),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Index("usage_job", "job"),
    comment="Calls of language models, added up.",
)

model_batches = sa.Table(
    "model_batches",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("provider_id", sa.Text),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("job", sa.Text, nullable=False, comment="Empty for calls of no job."),
    sa.Column("estimate_usd", sa.Double, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    comment="Calls handed to a provider's batches that have not ended.",
)

model_batch_items = sa.Table(
    "model_batch_items",
    metadata,
    sa.Column("batch_id", sa.ForeignKey("model_batches.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("reply_key", sa.Text, primary_key=True),
    sa.Column("prompt", Json),
    sa.Column("repair", sa.Boolean, nullable=False),
    sa.Column("documents", Json, nullable=False),
    sa.Index("model_batch_items_reply_key", "reply_key"),
)

answer_documents = sa.Table(
    "answer_documents",
    metadata,
    sa.Column("answer_id", sa.ForeignKey("answers.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("document_id", sa.Text, primary_key=True),
    sa.Index("answer_documents_document_id", "document_id"),
    comment="Whose text an answer repeats; the answer goes with the first of them.",
)

conversations = sa.Table(
    "conversations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("title", sa.Text),
    sa.Column("collections", Json, nullable=False, comment="Ids; empty for the default one."),
    sa.Column("filter", Json),
    sa.Column("engine", sa.Text),
    sa.Column("message_count", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Index("conversations_tenant", "tenant", "created_at", "id"),
)

conversation_messages = sa.Table(
    "conversation_messages",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column(
        "conversation_id", sa.ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column(
        "answer_id",
        sa.ForeignKey("answers.id", ondelete="SET NULL"),
        comment="Nothing of a document is here: that is the answer's, and goes with it.",
    ),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.UniqueConstraint("conversation_id", "position", name="conversation_messages_position"),
    sa.Index("conversation_messages_answer_id", "answer_id"),
)


def owner_of(chunk_id: sa.ColumnElement[int]) -> sa.ScalarSelect[Any]:
    """The ``first_chunk_id`` of the placement in a ``:collection`` that a chunk would be of."""
    before = placements.alias("before").c
    mine = before.collection_id == sa.bindparam("collection")
    last = sa.select(sa.func.max(before.first_chunk_id))
    return last.where(mine, before.first_chunk_id <= chunk_id).scalar_subquery()
