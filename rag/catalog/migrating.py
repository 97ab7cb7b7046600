"""The tables of a database, brought to the present revision."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from rag.catalog.database import Database
from rag.catalog.schema import metadata
from rag.errors import StorageError

HEAD = "0001"
"""The newest revision under ``migrations/versions``; a test keeps the two equal."""


def migrate(database: Database) -> None:
    """Bring the tables to the present revision.

    Raises:
        StorageError: the database was written by a newer version of Ibidem, or by one from
            before the first release.
    """
    present = _revision(database)
    if present == HEAD:
        _check_tables(database)
        return
    # Alembic takes a fifth of a second to import; a start on a migrated store skips it.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["database"] = database
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StorageError(
            f"The catalog is at revision {present}, which this version does not know; "
            "upgrade Ibidem, or point IBIDEM_HOME at another folder."
        ) from error


def _check_tables(database: Database) -> None:
    """Refuse tables that only bear the number of the present revision: it grew until released."""
    with database.read() as connection:
        found = sa.inspect(connection).get_multi_columns()
    columns = {name: {one["name"] for one in table} for (_, name), table in found.items()}
    for table in metadata.tables.values():
        if not columns.get(table.name, set()) >= set(table.columns.keys()):
            raise StorageError(
                f"The catalog has no {table.name} as this version knows it: it was made before "
                "the first release. Move it away, or point IBIDEM_HOME at another folder, and "
                "ingest the documents again."
            )


def _revision(database: Database) -> str | None:
    with database.read() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
