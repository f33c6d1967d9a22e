"""A world for tests of the core. What needs no commit shares one database of each kind, and is rolled back."""

from collections.abc import Iterator

import pytest

from nervure.store.database import Database, open_database
from tests.conftest import copy_of
from tests.nervure import profile
from tests.nervure.world import World, fresh_sqlite, thrown_away

profile.load()


@pytest.fixture(scope="session")
def shared_sqlite() -> Iterator[Database]:
    with fresh_sqlite() as database:
        yield database


@pytest.fixture(scope="session")
def shared_postgresql(postgresql_url: str, migrated_template: str) -> Iterator[Database]:
    with copy_of(postgresql_url, migrated_template) as url:
        database = open_database(url)
        yield database
        database.close()


@pytest.fixture(params=["shared_sqlite", "shared_postgresql"])
def shared(request: pytest.FixtureRequest) -> Database:
    """A migrated database of each kind, in which no test may commit."""
    found: Database = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def world(shared: Database) -> Iterator[World]:
    """An empty world inside a transaction that is rolled back at the end."""
    with thrown_away(shared) as connection:
        yield World(connection)


@pytest.fixture
def sqlite_world(shared_sqlite: Database) -> Iterator[World]:
    """The same on SQLite alone, for rules that many arrangements are tried on."""
    with thrown_away(shared_sqlite) as connection:
        yield World(connection)
