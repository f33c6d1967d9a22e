"""What many threads ask for at once, carried out as one set in one transaction.

Each commit waits for the disk, each statement for an answer, and SQLite has one writer. Whoever comes while a
transaction runs is taken along by the next one, which does the work of all by the same few statements.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Condition
from typing import Generic, TypeVar

from nervure.store.database import Connection, Database

Q = TypeVar("Q")
A = TypeVar("A")

MOST = 64
"""Questions in one transaction: more would make the first of them wait for the last."""

PATIENCE_SECONDS = 0.0005
"""So long a leader waits for as many questions as came the last time."""


@dataclass(slots=True)
class _Waiting(Generic[Q, A]):
    """A question, and its thread: woken when there is an answer, or when it is its turn to lead."""

    question: Q
    woken: SimpleQueue[None] = field(default_factory=SimpleQueue)
    is_done: bool = False
    answers: list[A] = field(default_factory=list)
    error: BaseException | None = None


class Together(Generic[Q, A]):
    """Safe to share between threads: one of those that wait leads, and works for all.

    `work` answers all questions that it is given, in their order. It must have no effect outside the transaction: it
    may be run again, and by another thread. What it refuses it should answer: what it raises sends back all of its
    transaction, and each question is asked alone.
    """

    def __init__(self, database: Database, work: Callable[[Connection, Sequence[Q]], Sequence[A]]) -> None:
        self._database = database
        self._work = work
        self._queue: deque[_Waiting[Q, A]] = deque()
        self._is_led = False
        self._guard = Condition()
        self._last = 1

    def ask(self, question: Q) -> A:
        """Answers one question once what was done for it is committed.

        Raises:
            Exception: what the work raised for this question alone; the others are not concerned.
        """
        mine: _Waiting[Q, A] = _Waiting(question)
        with self._guard:
            self._queue.append(mine)
            if len(self._queue) >= self._last:
                self._guard.notify()
            must_wait, self._is_led = self._is_led, True
        if must_wait:
            mine.woken.get()
        if not mine.is_done:
            self._lead()
        if mine.error is not None:
            raise mine.error
        return mine.answers[0]

    def _lead(self) -> None:
        """Works for the first of the queue, its own thread's question among them; then the next of the queue leads."""
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
                    self._queue[0].woken.put(None)
                else:
                    self._is_led = False
            for one in batch:
                one.is_done = True
                one.woken.put(None)

    def _carry_out(self, batch: Sequence[_Waiting[Q, A]]) -> None:
        questions = [one.question for one in batch]
        try:
            answers = self._database.run(lambda connection: self._work(connection, questions))
            for one, answer in zip(batch, answers, strict=True):
                one.answers.append(answer)
        except Exception as error:
            if len(batch) == 1:
                batch[0].error = error
                return
            # One question must not fail the others: each has a transaction of its own now.
            for one in batch:
                self._carry_out([one])
