"""The first tables: collections, documents and their versions, the commit log, jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

Json = sa.JSON()
Queried = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "answers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("body", Json, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("answers_created_at", "answers", ["created_at"], unique=False)
    op.create_table(
        "answer_documents",
        sa.Column("answer_id", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["answer_id"], ["answers.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("answer_id", "document_id"),
        comment="Whose text an answer repeats; the answer goes with the first of them.",
    )
    op.create_index(
        "answer_documents_document_id", "answer_documents", ["document_id"], unique=False
    )
    op.create_table(
        "batches",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("done", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("characters", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False, comment="Empty in all but the last."),
        sa.Column("parts", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "generation", "done"),
        comment="What is read of long documents, until they are read to their end.",
    )
    op.create_table(
        "blocks",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("cells", Json, nullable=False, comment="A table's: row, column, start, end."),
        sa.PrimaryKeyConstraint("document_id", "generation", "position"),
    )
    op.create_table(
        "changes",
        sa.Column("collection_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("op", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("first_chunk_id", sa.BigInteger(), nullable=False),
        sa.Column("chunk_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("collection_id", "seq"),
    )
    op.create_table(
        "chunks",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("edition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("text_sha256", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "generation", "edition", "position"),
    )
    op.create_index("chunks_text_sha256", "chunks", ["text_sha256"], unique=False)
    op.create_table(
        "collections",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=True),
        sa.Column("metadata_schema", Json, nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False, comment="The one that is searched."),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("next_chunk_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "name", name="collections_tenant_name"),
    )
    op.create_table(
        "editions",
        sa.Column("collection_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("embedder", sa.Text(), nullable=False),
        sa.Column("chunking", Json, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True, comment="What builds it."),
        sa.Column(
            "closing_until",
            sa.Double(),
            nullable=True,
            comment="Till then documents wait to be added.",
        ),
        sa.Column(
            "replaced_at",
            sa.Double(),
            nullable=True,
            comment="When another one came to be searched.",
        ),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"]),
        sa.PrimaryKeyConstraint("collection_id", "number"),
        comment="How a collection is or was cut and embedded; a number is never used again.",
    )
    op.create_index("editions_status", "editions", ["status"], unique=False)
    op.create_table(
        "placements",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("edition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("collection_id", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("first_chunk_id", sa.BigInteger(), nullable=False),
        sa.Column("chunk_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "edition"),
        comment="The documents of an edition, and the ids of their chunks in it.",
    )
    op.create_index(
        "placements_chunk_ids", "placements", ["collection_id", "first_chunk_id"], unique=False
    )
    op.create_index("placements_edition", "placements", ["collection_id", "edition"], unique=False)
    op.create_table(
        "garbage",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("embedder", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "embedder", "key"),
        comment="Vectors and originals (embedder '') that a deletion left to be removed.",
    )
    op.create_table(
        "jobs",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=True),
        sa.Column("collection_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("begun", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("error", Json, nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("jobs_status", "jobs", ["status"], unique=False)
    op.create_table(
        "likenesses",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sketch", sa.LargeBinary(), nullable=False),
        sa.Column("words_sha256", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "generation"),
        comment="What is kept of a text to find others like it; see rag/minhash.py.",
    )
    op.create_table(
        "readings",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("warnings", Json, nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "generation"),
        comment="What reading found out about a document, which has it once the text is visible.",
    )
    op.create_table(
        "pages",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("width", sa.Double(), nullable=False),
        sa.Column("height", sa.Double(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("boxes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "generation", "number"),
    )
    op.create_table(
        "prompts",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", "version"),
        comment="Versions of callers' own prompts; none is ever changed.",
    )
    op.create_table(
        "replies",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body", Json, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key"),
        comment="What language models replied, by the content key of the call.",
    )
    op.create_table(
        "reply_documents",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "key"], ["replies.tenant", "replies.key"], ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant", "key", "document_id"),
        comment="Whose text a call held; its reply goes with the first of them.",
    )
    op.create_index("reply_documents_document_id", "reply_documents", ["document_id"], unique=False)
    op.create_table(
        "failed_tasks",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "document_id",
            sa.Text(),
            nullable=False,
            comment="Empty for a task with no document.",
        ),
        sa.PrimaryKeyConstraint("tenant", "key", "attempt", "document_id"),
        comment="Attempts at tasks that language models failed, by the content key of the task.",
    )
    op.create_index("failed_tasks_document_id", "failed_tasks", ["document_id"], unique=False)
    op.create_table(
        "model_batches",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False, comment="Empty for calls of no job."),
        sa.Column("estimate_usd", sa.Double(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="Calls handed to a provider's batches that have not ended.",
    )
    op.create_table(
        "model_batch_items",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("reply_key", sa.Text(), nullable=False),
        sa.Column("prompt", Json, nullable=True),
        sa.Column("repair", sa.Boolean(), nullable=False),
        sa.Column("documents", Json, nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["model_batches.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("batch_id", "reply_key"),
    )
    op.create_index("model_batch_items_reply_key", "model_batch_items", ["reply_key"], unique=False)
    op.create_table(
        "usage",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False, comment="Empty for calls of no job."),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("failures", Json, nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_usd", sa.Double(), nullable=False),
        sa.Column("unpriced", sa.BigInteger(), nullable=False, comment="Replies without a price."),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("day", "key", "tenant", "job", "model"),
        comment="Calls of language models, added up.",
    )
    op.create_index("usage_job", "usage", ["job"], unique=False)
    op.create_table(
        "requests",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", Json, nullable=True),
        sa.Column(
            "answer_id",
            sa.Text(),
            nullable=True,
            comment="The answer that the body holds; goes with it.",
        ),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key"),
    )
    op.create_index("requests_answer_id", "requests", ["answer_id"], unique=False)
    op.create_table(
        "segments",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("start", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "generation", "start"),
    )
    op.create_table(
        "documents",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("collection_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error", Json, nullable=True),
        sa.Column("metadata", Queried, nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column(
            "uploaded", sa.Boolean(), nullable=False, comment="Not only inside another file."
        ),
        sa.Column("generation", sa.BigInteger(), nullable=True),
        sa.Column("page_count", sa.Integer(), nullable=False),
        sa.Column("text_length", sa.Integer(), nullable=False),
        sa.Column("warnings", Json, nullable=False),
        sa.Column(
            "locked", sa.Boolean(), nullable=False, comment="A password may open more of it."
        ),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "collection_id", "sha256", name="documents_content"),
    )
    op.create_index("documents_collection_id", "documents", ["collection_id"], unique=False)
    op.create_index("documents_sha256", "documents", ["sha256"], unique=False)
    op.create_table(
        "attachments",
        sa.Column("parent_id", sa.Text(), nullable=False),
        sa.Column("child_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["documents.id"]),
        sa.ForeignKeyConstraint(["child_id"], ["documents.id"]),
        sa.PrimaryKeyConstraint("parent_id", "child_id"),
        comment="Which document was found inside which.",
    )
    op.create_index("attachments_child_id", "attachments", ["child_id"], unique=False)
    op.create_table(
        "source_files",
        sa.Column("collection_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False, comment="Not an earlier content's."),
        sa.Column(
            "owned", sa.Boolean(), nullable=False, comment="The document came from a source."
        ),
        sa.ForeignKeyConstraint(["collection_id"], ["collections.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("collection_id", "source", "path", "document_id"),
        comment="The files of folders that a collection is kept in step with.",
    )
    op.create_index("source_files_document_id", "source_files", ["document_id"], unique=False)
    op.create_table(
        "work",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("spec", Json, nullable=False),
        sa.Column("lane", sa.Text(), nullable=False, comment="Which threads carry its items out."),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("budget_usd", sa.Double(), nullable=True),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("claims", sa.BigInteger(), nullable=False, comment="Made of its items so far."),
        sa.Column("progress", sa.BigInteger(), nullable=False, comment="As a worker died last."),
        sa.Column("result", Json, nullable=True),
        sa.Column("paced_since", sa.Double(), nullable=True),
        sa.Column("paced_from", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("job_id"),
        comment="Jobs made of items: analyses and batches of requests.",
    )
    op.create_table(
        "work_items",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False, comment="Number of the last claim."),
        sa.Column("worker", sa.Text(), nullable=True, comment="Who is at work on it."),
        sa.Column("result", Json, nullable=True),
        sa.Column("code", sa.Text(), nullable=True, comment="Of the error."),
        sa.Column("error", Json, nullable=True),
        sa.PrimaryKeyConstraint("job_id", "round", "position"),
    )
    op.create_index(
        "work_items_waiting",
        "work_items",
        ["job_id", "status", "attempts", "round", "position"],
        unique=False,
    )
    op.create_index("work_items_worker", "work_items", ["worker"], unique=False)
    op.create_table(
        "work_documents",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("in_payload", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "round", "position", "document_id", "in_payload"),
        comment="Whose text an item, or in round -1 the result of a job, repeats.",
    )
    op.create_index("work_documents_document_id", "work_documents", ["document_id"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False, comment="Empty of a result of all."),
        sa.Column("pointer", sa.Text(), nullable=False, comment="Into the document's value."),
        sa.Column(
            "mark", sa.Text(), nullable=False, comment="Hash of what was decided on, or empty."
        ),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column(
            "value",
            Json,
            nullable=True,
            comment="In a list: SQLite rounds a large number that stands alone.",
        ),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column(
            "key", sa.Text(), nullable=False, comment="Public name of the key of who decided."
        ),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "document_id", "pointer", "mark"),
        comment="What people decided on doubtful values of analyses; the last decision counts.",
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False, comment="By the database's clock."),
        sa.PrimaryKeyConstraint("id"),
        comment="Who may be at work on items, unless no sign of life comes before the time.",
    )
    op.create_table(
        "model_places",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False, comment="By the database's clock."),
        sa.PrimaryKeyConstraint("id"),
        comment="Calls of language models under way, where several processes share the limits.",
    )
    op.create_index("model_places_provider", "model_places", ["provider"], unique=False)
    op.create_index("model_places_process", "model_places", ["process"], unique=False)
    op.create_table(
        "model_rates",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("calls", sa.Double(), nullable=False, comment="Spent of a minute's, as of `at`."),
        sa.Column(
            "tokens", sa.Double(), nullable=False, comment="Spent of a minute's, as of `at`."
        ),
        sa.Column("at", sa.Double(), nullable=False, comment="By the database's clock."),
        sa.PrimaryKeyConstraint("provider"),
        comment="What providers were asked for lately, where several processes share the limits.",
    )
    op.create_table(
        "conversations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("collections", Json, nullable=False, comment="Ids; empty for the default one."),
        sa.Column("filter", Json, nullable=True),
        sa.Column("engine", sa.Text(), nullable=True),
        sa.Column("message_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "conversations_tenant", "conversations", ["tenant", "created_at", "id"], unique=False
    )
    op.create_table(
        "conversation_messages",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column(
            "answer_id",
            sa.Text(),
            nullable=True,
            comment="Nothing of a document is here: that is the answer's, and goes with it.",
        ),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["answer_id"], ["answers.id"], ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("conversation_id", "position", name="conversation_messages_position"),
    )
    op.create_index(
        "conversation_messages_answer_id", "conversation_messages", ["answer_id"], unique=False
    )
