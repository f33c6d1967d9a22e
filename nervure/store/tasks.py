"""Tasks: what a person must look at. A kind has at most one open task of a subject."""

from datetime import datetime

from sqlalchemy.engine import Connection

from nervure.store import tables
from nervure.store.statements import insert_new

TASK = tables.of(tables.TaskRow)


class TaskStore:
    """Tasks of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def open(self, kind: str, subject: str, text: str) -> None:
        insert_new(self._connection, TASK, [{"kind": kind, "subject": subject, "text": text, "created_at": self._now}])

    def close(self, kind: str, subject: str) -> None:
        self._connection.execute(
            TASK.update()
            .where(TASK.c.kind == kind, TASK.c.subject == subject, TASK.c.closed_at.is_(None))
            .values(closed_at=self._now)
        )

    def close_number(self, task_id: int) -> bool:
        """A person has looked; False: there is no such open task."""
        closed = self._connection.execute(
            TASK.update().where(TASK.c.id == task_id, TASK.c.closed_at.is_(None)).values(closed_at=self._now)
        )
        return closed.rowcount == 1

    def close_all(self, kind: str, prefix: str) -> int:
        """Closes every open task of a kind whose subject begins so; answers how many."""
        closed = self._connection.execute(
            TASK.update()
            .where(TASK.c.kind == kind, TASK.c.subject.startswith(prefix, autoescape=True), TASK.c.closed_at.is_(None))
            .values(closed_at=self._now)
        )
        return closed.rowcount
