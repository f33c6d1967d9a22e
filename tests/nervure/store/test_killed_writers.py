"""A writer that is killed at any point: nothing half-written, and nothing lost that it had acknowledged."""

import random
import subprocess
import sys
import time

import pytest
import sqlalchemy as sa

from nervure.invariants import check_all
from nervure.store.audit import AuditStore
from nervure.store.database import Database
from nervure.store.statements import MOVEMENT
from tests.nervure.world import World, merchant, must_hold
from tests.reference import ROOT


def kill_a_writer(database: Database, name: str, after: float) -> set[str]:
    """Starts a writer, kills it some time later, and answers the documents that it said were written."""
    url = database.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tests.nervure.store.dying_writer", url, name]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(after)
        assert process.poll() is None, "the writer ended by itself"
        process.kill()
        lines = process.stdout.read().splitlines(keepends=True)
    # The last line may have been cut: it was not acknowledged then.
    return {line.rstrip("\n") for line in lines if line.endswith("\n")}


def kill_many(database: Database, times: int) -> None:
    with database.write() as connection:
        merchant(World(connection), bolt_paris=2_000, nut_paris=4_000, bolt_lyon=500, nut_lyon=900)
    chance = random.Random(4711)
    acknowledged: set[str] = set()
    for number in range(times):
        acknowledged |= kill_a_writer(database, f"w{number}", chance.uniform(0.0, 0.8))
        with database.write() as connection:
            if database.is_postgresql:
                _wait_for_the_dead(connection)
        with database.read() as connection:
            known = set(connection.execute(sa.select(MOVEMENT.c.document).distinct()).scalars())
            assert acknowledged - known == set()
            assert check_all(AuditStore(connection)) == []
            must_hold(World(connection))
    print(f"\n{database.engine.dialect.name}: {times} writers killed, {len(acknowledged)} documents, all there")
    assert acknowledged


def _wait_for_the_dead(connection: sa.Connection) -> None:
    """PostgreSQL may still be ending the transaction of a process that is gone."""
    others = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND state <> 'idle'"
    )
    for _ in range(200):
        if not connection.execute(others).scalar():
            return
        connection.execute(sa.text("SELECT pg_stat_clear_snapshot()"))
        time.sleep(0.02)


@pytest.mark.requirement("R11")
def test_five_writers_that_are_killed_leave_nothing_half_done(database: Database) -> None:
    kill_many(database, 5)


@pytest.mark.soak
@pytest.mark.requirement("R11")
def test_two_hundred_writers_that_are_killed_leave_nothing_half_done(database: Database) -> None:
    kill_many(database, 200)
