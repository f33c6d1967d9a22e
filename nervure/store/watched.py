"""A database that tells of its commits: for worlds in which a process dies at one of them."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from nervure.store.database import Database

_WRITES = re.compile(r"(?:INSERT(?: OR IGNORE)? INTO|UPDATE|DELETE FROM) (\w+)")


class WatchedDatabase(Database):
    """A SQLite database that tells of each commit that changed something, before and after it, and which tables it was.

    `at_commit` may raise: what was written is then rolled back before, and stands after.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.is_writing = False
        self.at_commit: Callable[[str], None] = lambda moment: None
        self.has_written: Callable[[frozenset[str]], None] = lambda tables: None
        self._tables: set[str] = set()
        event.listen(engine, "before_cursor_execute", self._note)

    def close(self) -> None:
        event.remove(self.engine, "before_cursor_execute", self._note)
        super().close()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with super().write() as connection:
            self.is_writing = True
            self._tables.clear()
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
            self.has_written(frozenset(self._tables))
            self.at_commit("after a commit")

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if self.is_writing and (written := _WRITES.match(statement)):
            self._tables.add(written[1])
