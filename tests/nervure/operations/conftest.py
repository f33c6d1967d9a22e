"""Databases that operations commit to: each test has its own."""

from collections.abc import Iterator

import pytest

from nervure.store.database import Database
from tests.nervure.operations.fake_shops import fill
from tests.nervure.world import fresh_sqlite


@pytest.fixture
def sqlite() -> Iterator[Database]:
    """A copy of a migrated database."""
    with fresh_sqlite() as found:
        yield found


@pytest.fixture
def filled(sqlite: Database) -> Database:
    """SQLite with the merchant of `tests.nervure.world`: 5 BOLT and 8 NUT in paris, 2 BOLT in lyon."""
    fill(sqlite)
    return sqlite


@pytest.fixture
def both(database: Database) -> Database:
    """The same on SQLite and on PostgreSQL, where it matters how rows are locked and compared."""
    fill(database)
    return database
