from collections.abc import Iterator
from pathlib import Path

import psycopg.errors
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from nervure.store.database import MAX_TRIES, MAX_WAIT_SECONDS, Database, DatabaseError, open_database
from nervure.store.statements import insert_new
from nervure.store.tasks import TASK
from tests.nervure.world import START, World, at_once, merchant


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "the database URL cannot be read: use sqlite:///PATH or postgresql://HOST/NAME"),
        ("hub.db", "the database URL cannot be read: use sqlite:///PATH or postgresql://HOST/NAME"),
        (
            "postgresql://hub@host:port/name",
            "the database URL cannot be read: use sqlite:///PATH or postgresql://HOST/NAME",
        ),
        ("mysql://host/hub", "databases of kind 'mysql' are not supported: use SQLite or PostgreSQL"),
        ("sqlite://", "a database in memory forgets everything: use sqlite:///PATH"),
        ("sqlite:///:memory:", "a database in memory forgets everything: use sqlite:///PATH"),
    ],
)
def test_an_unusable_url_is_refused_in_one_sentence(url: str, sentence: str) -> None:
    with pytest.raises(DatabaseError) as refused:
        open_database(url)
    assert str(refused.value) == sentence


def test_the_password_of_an_unreadable_url_is_not_told() -> None:
    with pytest.raises(DatabaseError) as refused:
        open_database("postgresql://hub:secret@host:port/name")
    assert "secret" not in str(refused.value)


def test_what_a_failing_transaction_wrote_is_gone(database: Database) -> None:
    def fail() -> None:
        with database.write() as connection:
            merchant(World(connection), bolt_paris=3)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.read() as connection:
        assert World(connection).rows(TASK) == 0
        assert World(connection).catalogue.skus() == {}


class PatientDatabase(Database):
    """Writes down how long it was told to wait instead of waiting."""

    def __init__(self, database: Database) -> None:
        self.waits: list[float] = []
        super().__init__(database.engine, sleep=self.waits.append)


def test_work_that_the_database_sends_back_is_done_again_from_the_start(database: Database) -> None:
    patient = PatientDatabase(database)
    errors = iter([psycopg.errors.SerializationFailure(), psycopg.errors.DeadlockDetected(), None])

    def work(connection: Connection) -> str:
        World(connection).tasks.open("test", "subject", "text")
        if error := next(errors):
            raise OperationalError("statement", {}, error)
        return "done"

    assert patient.run(work) == "done"
    assert len(patient.waits) == 2
    with database.read() as connection:
        assert World(connection).rows(TASK) == 1


@pytest.mark.requirement("R19")
def test_the_tries_are_bounded_and_so_are_the_waits(shared: Database) -> None:
    patient = PatientDatabase(shared)
    tries: list[int] = []

    def work(_connection: Connection) -> None:
        tries.append(1)
        raise OperationalError("statement", {}, psycopg.errors.SerializationFailure())

    with pytest.raises(OperationalError):
        patient.run(work)
    assert len(tries) == MAX_TRIES == len(patient.waits) + 1
    assert max(patient.waits) <= MAX_WAIT_SECONDS


@pytest.mark.parametrize(
    "error",
    [
        IntegrityError("statement", {}, psycopg.errors.CheckViolation("a check")),
        DBAPIError("statement", {}, Exception("no such table: item")),
        RuntimeError("a defect"),
    ],
)
def test_what_would_fail_again_is_tried_once(shared: Database, error: Exception) -> None:
    patient = PatientDatabase(shared)

    def work(_connection: Connection) -> None:
        raise error

    with pytest.raises(type(error)):
        patient.run(work)
    assert patient.waits == []


@pytest.mark.postgresql
def test_two_that_wait_for_each_other_both_get_through(postgresql: Database) -> None:
    with postgresql.write() as connection:
        for subject in ("one", "other"):
            World(connection).tasks.open("test", subject, "text")

    def work(first: str, second: str) -> None:
        def both(connection: Connection) -> None:
            for subject in (first, second):
                connection.execute(TASK.update().where(TASK.c.subject == subject).values(text=TASK.c.text + first))

        postgresql.run(both)

    assert at_once([lambda: work("one", "other"), lambda: work("other", "one")]) == [None, None]
    with postgresql.read() as connection:
        texts = {row.subject: row.text for row in connection.execute(TASK.select())}
    assert texts["one"] == texts["other"]
    assert texts["one"] in {"textoneother", "textotherone"}


def test_a_reader_sees_one_moment_and_holds_nobody_up(database: Database) -> None:
    with database.read() as reader:
        assert World(reader).rows(TASK) == 0
        with database.write() as connection:
            World(connection).tasks.open("test", "subject", "text")
        assert World(reader).rows(TASK) == 0
    with database.read() as reader:
        assert World(reader).rows(TASK) == 1


def test_inserting_what_is_there_counts_only_what_is_new(database: Database) -> None:
    row = {"kind": "test", "subject": "a", "text": "", "created_at": START}
    with database.write() as connection:
        assert insert_new(connection, TASK, []) == 0
        assert insert_new(connection, TASK, [row]) == 1
        assert insert_new(connection, TASK, [row]) == 0
        assert insert_new(connection, TASK, [row, row | {"subject": "b"}, row | {"subject": "c"}]) == 2
        assert insert_new(connection, TASK, [row | {"subject": str(number)} for number in range(2_500)]) == 2_500


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path / 'plain.db'}")
    yield database
    database.close()


def test_sqlite_keeps_its_promises_to_the_ledger(files: Database) -> None:
    with files.read() as connection:
        found = {
            pragma: connection.execute(sa.text(f"PRAGMA {pragma}")).scalar_one()
            for pragma in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2, "busy_timeout": 60_000}
    assert not files.is_postgresql


def test_a_connection_that_was_cut_while_it_rested_is_opened_again(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nervure.store.database.RESTED_SECONDS", 0.0)
    ask = sa.text("SELECT pg_backend_pid()")
    with postgresql.engine.connect() as killer:
        cut = postgresql.run(lambda connection: connection.execute(ask).scalar_one())
        killer.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": cut})
        assert postgresql.run(lambda connection: connection.execute(ask).scalar_one()) != cut
