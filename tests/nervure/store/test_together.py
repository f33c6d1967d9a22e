"""Work of many threads in one transaction: each job once, each thread its own answer."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store import tables
from nervure.store.database import Database
from nervure.store.together import Together
from tests.nervure.world import START

TASK = tables.of(tables.TaskRow)
THREADS, JOBS = 8, 25


class OddJobError(Exception):
    pass


def write_all(connection: Connection, subjects: Sequence[str]) -> list[str]:
    """One row each; a subject that begins with "odd" cannot be written."""
    for subject in subjects:
        if subject.startswith("odd"):
            raise OddJobError(subject)
    rows = [{"kind": "test", "subject": subject, "text": "", "created_at": START} for subject in subjects]
    connection.execute(TASK.insert(), rows)
    return [f"wrote {subject}" for subject in subjects]


def subjects_in(database: Database) -> Counter[str]:
    with database.read() as connection:
        return Counter(connection.execute(sa.select(TASK.c.subject)).scalars())


def at_once(work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_each_job_is_done_once_and_each_thread_gets_its_own_answer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    transactions = 0
    run = database.run

    def counted(work: Callable[[Connection], object]) -> object:
        nonlocal transactions
        transactions += 1
        return run(work)

    monkeypatch.setattr(database, "run", counted)
    together = Together(database, write_all)
    wrong: list[str] = []

    def worker(number: int) -> None:
        for job in range(JOBS):
            subject = f"{number}-{job}"
            if together.ask(subject) != f"wrote {subject}":
                wrong.append(subject)

    at_once(worker)
    assert wrong == []
    assert subjects_in(database) == Counter(f"{number}-{job}" for number in range(THREADS) for job in range(JOBS))
    assert transactions < THREADS * JOBS


def test_a_job_that_fails_fails_alone(database: Database) -> None:
    together = Together(database, write_all)
    failed: list[str] = []

    def worker(number: int) -> None:
        for job in range(JOBS):
            subject = f"{'odd' if number == 3 else 'even'}-{number}-{job}"
            try:
                together.ask(subject)
            except OddJobError as error:
                failed.append(str(error))

    at_once(worker)
    assert sorted(failed) == sorted(f"odd-3-{job}" for job in range(JOBS))
    assert subjects_in(database) == Counter(
        f"even-{number}-{job}" for number in range(THREADS) if number != 3 for job in range(JOBS)
    )


def test_who_is_interrupted_while_leading_leaves_nobody_waiting(sqlite: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(_: Connection, words: Sequence[str]) -> Sequence[str]:
        if "stop" in words:
            begun.set()
            go_on.wait(10)
            raise KeyboardInterrupt
        return words

    together = Together(sqlite, work)
    answers: list[str] = []

    def interrupted() -> None:
        with pytest.raises(KeyboardInterrupt):
            together.ask("stop")

    leader = threading.Thread(target=interrupted)
    follower = threading.Thread(target=lambda: answers.append(together.ask("go")))
    leader.start()
    assert begun.wait(10)
    follower.start()
    go_on.set()
    leader.join(10)
    follower.join(10)
    assert answers == ["go"]
