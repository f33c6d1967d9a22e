"""A watched database tells of what changed something, and lets its commits be stopped."""

from collections.abc import Iterator

import pytest

from nervure.store.channels import ChannelStore
from nervure.store.database import Database
from nervure.store.watched import WatchedDatabase, names_written
from tests.nervure.world import START, World, merchant


class StopError(BaseException):
    """Somebody pulled the plug."""


@pytest.fixture
def watched(sqlite: Database) -> Iterator[WatchedDatabase]:
    with sqlite.write() as connection:
        merchant(World(connection))
    database = WatchedDatabase(sqlite.engine)
    yield database
    database.close()


def pause(database: Database, *, is_paused: bool) -> bool:
    return database.run(lambda c: ChannelStore(c, START).set_paused("shop", is_paused=is_paused))


def is_paused(database: Database) -> bool:
    with database.read() as connection:
        return ChannelStore(connection, START).get("shop").is_paused


def test_a_commit_that_changed_something_is_told_of_before_and_after(
    watched: WatchedDatabase,
) -> None:
    told: list[object] = []
    watched.at_commit = told.append
    watched.has_written = told.append
    assert pause(watched, is_paused=True)
    assert told == ["before a commit", frozenset({"channel", "channel.is_paused"}), "after a commit"]
    told.clear()
    watched.run(lambda c: ChannelStore(c, START).get("shop"))
    watched.run(lambda c: ChannelStore(c, START).set_paused("nobody", is_paused=True))
    assert told == []


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("INSERT INTO inbox (id, state) VALUES (?, ?) ON CONFLICT DO NOTHING", {"inbox", "inbox.*"}),
        ("INSERT OR IGNORE INTO inbox (id) VALUES (?)", {"inbox", "inbox.*"}),
        ("DELETE FROM task WHERE task.id = ?", {"task", "task.*"}),
        (
            "UPDATE channel SET name=?, units=CASE WHEN (channel.id > ?) THEN channel.x END WHERE channel.state = ?",
            {"channel", "channel.name", "channel.units"},
        ),
        ("SELECT inbox.id FROM inbox WHERE inbox.id = ?", set()),
    ],
)
def test_a_statement_is_known_by_the_columns_that_it_writes(statement: str, names: set[str]) -> None:
    assert names_written(statement) == names


@pytest.mark.parametrize(("moment", "stays"), [("before a commit", False), ("after a commit", True)])
def test_who_stops_before_the_commit_undoes_it_and_who_stops_after_it_does_not(
    watched: WatchedDatabase, moment: str, *, stays: bool
) -> None:
    def stop(where: str) -> None:
        if where == moment:
            raise StopError

    watched.at_commit = stop
    with pytest.raises(StopError):
        pause(watched, is_paused=True)
    assert is_paused(watched) is stays
    assert not watched.is_writing
    watched.at_commit = lambda where: None
    assert pause(watched, is_paused=True)
