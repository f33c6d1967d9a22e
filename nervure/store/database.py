"""Opening the database, and the one way to run a transaction.

SQLite: WAL, foreign keys on, `synchronous=FULL`, and every writing transaction begins IMMEDIATE, so that it never
fails half-way for the lock. PostgreSQL: READ COMMITTED with row locks, or SERIALIZABLE where it is asked for.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any, Literal, TypeVar

import psycopg
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, IntegrityError
from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["Connection", "Database", "DatabaseError", "RuleBrokenError", "open_database", "savepoint"]

T = TypeVar("T")
IsolationLevel = Literal["READ COMMITTED", "SERIALIZABLE"]

MAX_TRIES = 40
"""At SERIALIZABLE each commit sends everybody back who waited for the same row: 64 at once need more than a few."""

MAX_WAIT_SECONDS = 0.64
RESTED_SECONDS = 1.0
_TRY_AGAIN_STATES = frozenset({"40001", "40P01", "55P03"})
"""PostgreSQL: serialization failure, deadlock, lock not available."""


class DatabaseError(Exception):
    """The database cannot be used: what is wrong and what to do."""


REFUSALS = (DBAPIError,)
"""What the driver raises when the database itself says no; `reason_of` has its words."""


def reason_of(error: BaseException) -> str:
    """Why a database said no, in its own first line, without the statement and its values."""
    said = str(getattr(error, "orig", None) or "").strip().splitlines()
    return said[0] if said else "it gives no reason"


class RuleBrokenError(Exception):
    """A constraint of the database refused a row; the message names the constraint."""


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Work inside a transaction that is undone alone when it fails.

    Raises:
        RuleBrokenError: a constraint refused something.
    """
    try:
        with connection.begin_nested():
            yield
    except IntegrityError as error:
        constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None) or str(error.orig)
        raise RuleBrokenError(f"a rule of the database refuses it: {constraint}") from error


class Database:
    """One database of the hub. Safe to share between threads."""

    def __init__(self, engine: Engine, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.engine = engine
        # SQLite lets writers wait by sleeping, longer and longer; the threads of one process queue up here instead.
        self._writers: AbstractContextManager[object] = nullcontext() if self.is_postgresql else Lock()
        options = {"isolation_level": "REPEATABLE READ"} if self.is_postgresql else {"nervure_read": True}
        self._reader = engine.execution_options(**options)
        self._sleep = sleep

    @property
    def is_postgresql(self) -> bool:
        return self.engine.dialect.name == "postgresql"

    @property
    def path(self) -> Path | None:
        """The file of an SQLite database; None: it is a server's."""
        name = self.engine.url.database
        return None if self.is_postgresql or name is None else Path(name)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One writing transaction: committed at the end, rolled back on any error."""
        with self._writers, self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent look that takes no lock."""
        with self._reader.begin() as connection:
            yield connection

    def run(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in a transaction, again from the start when the database asks for it (bounded).

        `work` must have no effect outside the transaction.
        """
        for attempt in range(MAX_TRIES):
            try:
                with self.write() as connection:
                    return work(connection)
            except DBAPIError as error:
                if attempt == MAX_TRIES - 1 or not _may_try_again(error):
                    raise
                longest = min(0.005 * 2**attempt, MAX_WAIT_SECONDS)
                self._sleep(random.uniform(0.0, longest))  # noqa: S311 - spreads the retries
        raise AssertionError

    def close(self) -> None:
        self.engine.dispose()


def open_database(
    url: str, *, isolation: IsolationLevel = "READ COMMITTED", pool_size: int = 8, is_durable: bool = True
) -> Database:
    """Opens a database by URL: `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/NAME`.

    `is_durable` False: SQLite does not wait for the disk; for what may be lost with the machine.

    Raises:
        DatabaseError: the URL is unusable.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        engine = sa.create_engine(
            parsed, pool_size=pool_size, max_overflow=32, connect_args={"timeout": 60}, hide_parameters=True
        )
        event.listen(engine, "connect", _prepare_sqlite)
        if not is_durable:
            event.listen(engine, "connect", _let_go_of_the_disk)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        engine = sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=96,
            isolation_level=isolation,
            hide_parameters=True,  # a row may hold personal data, and an error is logged
        )
        event.listen(engine, "checkin", _note_rest)
        event.listen(engine, "checkout", _wake)
    return Database(engine)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise DatabaseError("the database URL cannot be read: use sqlite:///PATH or postgresql://HOST/NAME") from error
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise DatabaseError(
            f"databases of kind {parsed.get_backend_name()!r} are not supported: use SQLite or PostgreSQL"
        )
    if parsed.get_backend_name() == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise DatabaseError("a database in memory forgets everything: use sqlite:///PATH")
    return parsed


def _note_rest(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info["rests_since"] = time.monotonic()


def _wake(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
    """A connection that rested may have been cut meanwhile: it is tried first. One just used is not asked again."""
    if time.monotonic() - record.info.get("rests_since", time.monotonic()) < RESTED_SECONDS:
        return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error as error:
        raise DisconnectionError from error  # the pool opens another one


def _prepare_sqlite(connection: object, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]  # sqlite3.Connection: we begin by ourselves
    cursor = connection.cursor()  # type: ignore[attr-defined]  # as above
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL", "busy_timeout=60000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _let_go_of_the_disk(connection: object, _record: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA synchronous=OFF")  # type: ignore[attr-defined]  # sqlite3.Connection


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("nervure_read", False)
    # Past SQLAlchemy: its way costs more than the statement, twice for each look.
    connection.connection.driver_connection.execute("BEGIN" if reads else "BEGIN IMMEDIATE")  # type: ignore[union-attr]


def _may_try_again(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state in _TRY_AGAIN_STATES or (state == "23505" and "cause" in str(error.orig))
    return "locked" in str(error.orig)
