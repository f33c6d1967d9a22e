"""A database that tells of its commits: for worlds in which a process dies at one of them."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from nervure.store.database import Database

_WRITES = re.compile(r"(INSERT(?: OR IGNORE)? INTO|UPDATE|DELETE FROM) (\w+)")
_COLUMN = re.compile(r"(?:SET|,) (\w+)=")
"""What an update sets. Where SQLAlchemy compares, it writes a space before the sign."""


@cache
def names_written(statement: str) -> frozenset[str]:
    """What a statement writes: its table, and each column as `table.column`; of whole rows `table.*`."""
    found = _WRITES.match(statement)
    if found is None:
        return frozenset()
    verb, table = found.groups()
    columns = _COLUMN.findall(statement) if verb == "UPDATE" else ["*"]
    return frozenset({table, *(f"{table}.{column}" for column in columns)})


class WatchedDatabase(Database):
    """A SQLite database that tells of each commit that changed something, before and after it, and of what was written.

    `statements`: how many it was asked to carry out. `at_commit` may raise: what was written is then rolled back
    before, and stands after.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.is_writing = False
        self.statements = 0
        self.at_commit: Callable[[str], None] = lambda moment: None
        self.has_written: Callable[[frozenset[str]], None] = lambda names: None
        self._names: set[str] = set()
        event.listen(engine, "before_cursor_execute", self._note)

    @property
    def path(self) -> None:
        """Nothing is remembered beside it: it goes away with its world."""
        return None

    def close(self) -> None:
        event.remove(self.engine, "before_cursor_execute", self._note)
        super().close()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with super().write() as connection:
            self.is_writing = True
            self._names.clear()
            driver = connection.connection.driver_connection
            assert driver is not None
            before = driver.total_changes
            try:
                yield connection
                has_changed = driver.total_changes != before
                if has_changed:
                    self.at_commit("before a commit")
            finally:
                self.is_writing = False
        if has_changed:
            self.has_written(frozenset(self._names))
            self.at_commit("after a commit")

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self.statements += 1
        if self.is_writing:
            self._names |= names_written(statement)
