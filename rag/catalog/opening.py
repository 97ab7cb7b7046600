"""Open the SQL database that a URL names."""

from __future__ import annotations

import json
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from rag.catalog.database import BUSY_TIMEOUT_S, Database
from rag.errors import ConfigurationError, MissingExtra
from rag.redact import masked_url

_CONNECT_TIMEOUT_S = 10


def open_sqlite(path: Path) -> Database:
    """Open or create a SQLite file with the durability that the promises need."""
    engine = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
        # SQLite's JSON paths find a key only as it is written, not through its escapes.
        json_serializer=partial(json.dumps, ensure_ascii=False),
        hide_parameters=True,  # error messages get logged, and documents do not belong in logs
        # Many threads read at once, and to open a connection takes longer than most reads.
        pool_size=15,
        max_overflow=30,
    )

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # `Database` begins transactions by hand
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        # Each connection has its own; the system's cache is all of theirs.
        connection.execute("PRAGMA cache_size=-8000")
        # Deleted documents leave no readable residue in the file's free pages.
        connection.execute("PRAGMA secure_delete=ON")

    return Database(engine)


def is_server(url: str) -> bool:
    """Whether the URL names a database server and not a file."""
    return not url.startswith("sqlite")


def open_database(url: str, *, writers_lock: int = 1) -> Database:
    """Open the database that a URL names (``sqlite:///PATH`` or ``postgresql+psycopg://…``).

    Raises:
        ConfigurationError: the URL is none of these, or no such database can be reached.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise _unknown(url) from error
    if parsed.get_backend_name() == "sqlite":
        return open_sqlite(Path(parsed.database or "catalog.db"))
    if parsed.get_backend_name() != "postgresql":
        raise _unknown(url)
    return _open_postgresql(parsed.set(drivername="postgresql+psycopg"), writers_lock)


def _unknown(url: str) -> ConfigurationError:
    return ConfigurationError(
        f"IBIDEM_DATABASE_URL={masked_url(url)}: known are sqlite:///FILE and "
        "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE."
    )


def _open_postgresql(url: sa.URL, writers_lock: int) -> Database:
    try:
        engine = sa.create_engine(
            url,
            # A restarted server is noticed before the connection is needed.
            pool_pre_ping=True,
            hide_parameters=True,
            pool_size=10,
            max_overflow=50,
            connect_args={"connect_timeout": _CONNECT_TIMEOUT_S},
        )
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "PostgreSQL needs the driver psycopg: pip install 'ibidem[postgres]'."
        ) from error
    try:
        with engine.connect() as connection:
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    except sa.exc.OperationalError as error:
        raise ConfigurationError(
            f"The database {masked_url(str(url))} cannot be reached: "
            f"{str(error.orig).splitlines()[0]}. Check IBIDEM_DATABASE_URL and the server."
        ) from error
    if encoding != "UTF8":
        engine.dispose()
        raise ConfigurationError(
            f"The database {masked_url(str(url))} stores text as {encoding}; Ibidem needs UTF8."
        )
    return Database(engine, writers_lock=writers_lock)
