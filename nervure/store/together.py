"""Small work of many threads, carried out in one transaction.

SQLite has one writer, and each commit waits for the disk. Whoever comes while a transaction runs is taken along by the
next one. PostgreSQL works for many at once and gathers their commits by itself: there each job has its own transaction.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Condition, Event
from typing import Any, TypeVar

from nervure.store.database import Connection, Database

R = TypeVar("R")

MOST = 64
"""Jobs in one transaction: more would make the first of them wait for the last."""

PATIENCE_SECONDS = 0.0005
"""So long a leader waits for as many jobs as came the last time."""


@dataclass(slots=True)
class _Waiting:
    """A job, and its thread: woken when the job is done, or when it is its turn to lead."""

    job: Callable[[Connection], Any]  # each thread has its own kind of answer
    woken: Event = field(default_factory=Event)
    is_done: bool = False
    answer: Any = None  # as above
    error: BaseException | None = None


class Together:
    """Safe to share between threads: one of those that wait leads, and works for all."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: deque[_Waiting] = deque()
        self._is_led = False
        self._guard = Condition()
        self._last = 1

    def do(self, job: Callable[[Connection], R]) -> R:
        """Does one job and answers once it is committed.

        The job must have no effect outside the transaction: it may be run again, and by another thread. What it
        refuses it should answer, having undone its part: what it raises sends all of its transaction back, one by one.

        Raises:
            Exception: what this job raised; the others of its transaction are not concerned.
        """
        if self._database.is_postgresql:
            return self._database.run(job)
        mine = _Waiting(job)
        with self._guard:
            self._queue.append(mine)
            self._guard.notify()
            must_wait, self._is_led = self._is_led, True
        if must_wait:
            mine.woken.wait()
        if not mine.is_done:
            self._lead()
        if mine.error is not None:
            raise mine.error
        answer: R = mine.answer
        return answer

    def _lead(self) -> None:
        """Works for the first of the queue, its own thread's job among them; then the next of the queue leads."""
        with self._guard:
            # Who was served last comes again in a moment; a transaction for one would make all of them wait for it.
            self._guard.wait_for(lambda: len(self._queue) >= self._last, PATIENCE_SECONDS if self._last > 1 else 0)
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), MOST))]
            self._last = len(batch)
        try:
            self._carry_out(batch)
        except BaseException as error:
            for one in batch:
                one.error = error
            raise
        finally:
            with self._guard:
                if self._queue:
                    self._queue[0].woken.set()
                else:
                    self._is_led = False
            for one in batch:
                one.is_done = True
                one.woken.set()

    def _carry_out(self, batch: Sequence[_Waiting]) -> None:
        try:
            answers = self._database.run(lambda connection: [one.job(connection) for one in batch])
            for one, answer in zip(batch, answers, strict=True):
                one.answer = answer
        except Exception as error:
            if len(batch) == 1:
                batch[0].error = error
                return
            # One job must not fail the others: each has a transaction of its own now.
            for one in batch:
                self._carry_out([one])
