"""Alembic's entry point: run the migrations on the database handed over by the caller."""

from __future__ import annotations

from alembic import context

from rag.catalog.schema import metadata

database = context.config.attributes["database"]
with database.write() as connection:
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=False)
    context.run_migrations()
