"""Fixtures that every kind of test shares."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest
import sqlalchemy as sa
from hypothesis import settings

from rag.catalog import Catalog
from rag.catalog.opening import open_database, open_sqlite
from rag.catalog.vectors import VectorStore
from rag.cores import cores
from tests import postgres
from tests.thorough import THOROUGH

# The models of tests are tiny: more threads would only wait for one another, and spin meanwhile.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ("tests.stores",)

# How long an example takes says something of the machine, not of what is tested.
# Where CI is set, Hypothesis would try the same examples each time.
settings.register_profile("tests", settings.get_profile("default"), deadline=None)
settings.register_profile("thorough", settings.get_profile("tests"), max_examples=1_000)
settings.load_profile("thorough" if THOROUGH else "tests")

_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
_TEMPLATE = f"ibidem_template{_WORKER}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """More workers than cores: half of a test's time it waits, for a job, a lease or a process."""
    return cores() + 2


def pytest_collection_finish() -> None:
    """What is loaded by now stays: going through it for garbage takes half a second each time."""
    gc.collect()
    gc.freeze()


FreshDatabase: TypeAlias = Callable[[ExitStack], str | None]
"""Gives the IBIDEM_DATABASE_URL of a new empty catalog; ``None`` for SQLite in the home."""


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for converted models that all homes share: converting takes seconds."""
    root = tmp_path_factory.getbasetemp()
    folder = (root.parent if _WORKER else root) / "models"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def home(tmp_path: Path, models: Path) -> Path:
    """An empty home of this test's own."""
    return make_home(tmp_path / "home", models)


def make_home(path: Path, models: Path) -> Path:
    """Make an empty home that finds its models where others do."""
    path.mkdir()
    (path / "models").symlink_to(models)
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[sa.URL]:
    """A PostgreSQL server: the one that TEST_POSTGRES_URL names, else one of the tests' own."""
    with ExitStack() as stack:
        if named := os.environ.get("TEST_POSTGRES_URL"):
            url = sa.make_url(named)
        elif programs := postgres.installed():
            url = stack.enter_context(postgres.server(programs))
        else:
            pytest.skip("no PostgreSQL here; `make test` installs one, or set TEST_POSTGRES_URL")
        yield url


@pytest.fixture(scope="session")
def migrated(postgresql: sa.URL) -> sa.URL:
    """A database with all tables; copying it is faster than migrating each time."""
    url = postgres.make_template(postgresql, _TEMPLATE)
    open_catalog(url.render_as_string(hide_password=False)).close()
    return url


@pytest.fixture(params=["sqlite", "postgresql"], scope="session")
def fresh_database(request: pytest.FixtureRequest) -> FreshDatabase:
    """Makes databases of each kind."""
    if request.param == "sqlite":
        return lambda _stack: None
    migrated: sa.URL = request.getfixturevalue("migrated")

    def copy(stack: ExitStack) -> str:
        made = postgres.database(migrated.set(database="postgres"), template=_TEMPLATE)
        return stack.enter_context(made).render_as_string(hide_password=False)

    return copy


@pytest.fixture
def database_url(fresh_database: FreshDatabase) -> Iterator[str | None]:
    """A database of this test's own on each kind of server; ``None`` for SQLite in the home."""
    with ExitStack() as stack:
        yield fresh_database(stack)


on_sqlite = pytest.mark.parametrize("fresh_database", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("fresh_database", ["postgresql"], indirect=True)


@pytest.fixture
def catalog(tmp_path: Path, database_url: str | None) -> Iterator[Catalog]:
    """An empty catalog of this test's own, on each kind of database."""
    if database_url is None:
        vectors = VectorStore(open_sqlite(tmp_path / "vectors.db"))
        catalog = Catalog(open_sqlite(tmp_path / "catalog.db"), vectors)
    else:
        catalog = open_catalog(database_url)
    yield catalog
    catalog.close()


def open_catalog(url: str) -> Catalog:
    """A catalog on PostgreSQL, its vectors in the same database."""
    return Catalog(open_database(url), VectorStore(open_database(url, writers_lock=2)))
