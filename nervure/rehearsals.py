"""The hub against an invented world: the bounded demo, the replay of real order history, and seeded days."""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.transport import HttpRequest, httpx_sender
from nervure.service.stack import Stack, demo_stack, wait_until_quiet
from nervure.service.supervisor import Supervisor
from nervure.service.up import LOCK, START_SECONDS, only_one, stop_signals
from nervure.settings_file import load
from nervure.store.database import open_database
from nervure.store.migrations import upgrade
from schemas.base import counted
from simulation.day import Outcome as DayOutcome
from simulation.demo import prepare
from simulation.faults import Fault
from simulation.history import read_history
from simulation.record import from_document
from simulation.replay import Replay
from simulation.seeds import HUB_DAY, SHORT, Tally, faults_named, open_seeds
from simulation.verdict import judge, look

Say = Callable[[str], None]

SECONDS_AN_ORDER = 2.0
QUIET_SECONDS = 600.0
SAID_EVERY = 50


class RehearsalError(Exception):
    """A rehearsal could not be carried out: why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of a rehearsal, and whether everything that must be 0 is 0."""

    figures: dict[str, Any]
    holds: bool


def run_demo(folder: Path, *, orders: int, orders_per_second: float, seed: int, say: Say) -> Outcome:
    """Plays a bounded demo through loopback HTTP, webhooks and Prefect, and judges it.

    Raises:
        RehearsalError: it was stopped, or did not come to rest.
        StartError: a process did not start.
    """
    begun = time.monotonic()
    with only_one(folder), stop_signals() as is_told_to_stop:
        _clear(folder)
        stack = demo_stack(folder, prepare, say, orders=orders, orders_per_second=orders_per_second, seed=seed)
        with Supervisor(stack.programs(), folder, say) as supervisor:
            if not supervisor.start(seconds=START_SECONDS, is_told_to_stop=is_told_to_stop):
                raise RehearsalError("the demo was stopped before it began")
            say(f"ready after {time.monotonic() - begun:.0f} s; {orders} orders at {orders_per_second:g} a second")
            seconds = QUIET_SECONDS + orders * SECONDS_AN_ORDER / orders_per_second
            if not wait_until_quiet(stack, supervisor, seconds=seconds, is_told_to_stop=is_told_to_stop):
                raise RehearsalError("the demo was stopped, or the hub did not come to rest")
            figures = _judge(stack)
    figures["wall_seconds"] = round(time.monotonic() - begun, 1)
    return Outcome(figures, bool(figures.pop("holds")))


def _clear(folder: Path) -> None:
    """Takes away what the last demo left, but for the lock that this one holds."""
    for one in folder.iterdir():
        if one.is_dir():
            shutil.rmtree(one)
        elif one.name != LOCK:
            one.unlink()


def _judge(stack: Stack) -> dict[str, Any]:
    if stack.world_url is None:
        raise RehearsalError("the demo has no world to ask")
    with httpx_sender(stack.world_url) as ask:
        answer = ask(HttpRequest("GET", "/record"))
    (stack.folder / "record.json").write_bytes(answer.body)
    record = from_document(answer.json())
    database = open_database(load(stack.settings_file).hub.database)
    try:
        verdict = judge(record, look(database, datetime.now(UTC)))
    finally:
        database.close()
    counts = {"requests": record.requests, "webhooks": record.webhooks, "prefect_runs": stack.count_runs()}
    return verdict.as_json() | counts | {"holds": verdict.holds}


def run_replay(files: Sequence[Path], *, database_url: str, speed: float, say: Say, accuracy: float = 1.0) -> Outcome:
    """Replays order history files against an empty database. `accuracy`: the share of right stock records in stores.

    Raises:
        HistoryError: a file cannot be read.
        RehearsalError: the files hold nothing to replay.
    """
    history = read_history(files)
    if not history.events:
        raise RehearsalError(
            f"no sale, return or adjustment of goods is in these files: {counted(history.rows_read, 'row')} read"
        )
    say(
        f"{counted(history.rows_read, 'row')}, {counted(len(history.events), 'event')},"
        f" {counted(len(history.titles), 'item')}"
    )
    database = open_database(database_url)
    try:
        upgrade(database)
        report = Replay(history, database, speed=speed, tell=say, accuracy=accuracy).run()
    finally:
        database.close()
    return Outcome(report.as_json(), report.verdict.holds)


def run_seeds(seeds: Sequence[int], *, faults: str, is_whole_day: bool, say: Say) -> Tally:
    """Plays the days of some seeds under virtual time, one after the other.

    Raises:
        RehearsalError: there is no such kind of fault.
    """
    tally = Tally()
    with open_seeds(HUB_DAY if is_whole_day else SHORT, _named(faults)) as opened:
        for seed in seeds:
            outcome = opened.run(seed)
            tally.add(outcome)
            if outcome.problems:
                say(f"seed {seed} failed: {outcome.problems[0]}")
            elif tally.seeds % SAID_EVERY == 0:
                say(f"{tally.seeds} of {len(seeds)} seeds, {len(tally.failed)} failed")
    return tally


def run_seed(seed: int, *, faults: str, is_whole_day: bool) -> DayOutcome:
    """Plays the day of one seed; its outcome holds what happened, line by line.

    Raises:
        RehearsalError: there is no such kind of fault.
    """
    with open_seeds(HUB_DAY if is_whole_day else SHORT, _named(faults)) as opened:
        return opened.run(seed)


def _named(faults: str) -> Sequence[Fault]:
    try:
        return faults_named(faults)
    except ValueError as error:
        known = ", ".join(Fault)
        raise RehearsalError(f"{error}: there are all, none, or some of {known}, with commas between") from error


def write_json(figures: dict[str, Any], file: Path) -> None:
    """Writes figures for other programs.

    Raises:
        RehearsalError: the file cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise RehearsalError(f"{file} cannot be written: {error.strerror}") from error
