"""How a window becomes one flow run: its slices are task runs, its end is an artifact and a state that people see."""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import cast

from prefect import State, task
from prefect.artifacts import acreate_markdown_artifact
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed

from flows.report_dead_letter import report_dead_letter
from nervure import settings_file
from nervure.clock import SystemClock
from nervure.operations.hub import Hub
from nervure.operations.loops import take_dead_letters, tell_again
from nervure.operations.reports import headline, markdown, said_of
from nervure.operations.results import Results
from nervure.operations.setup import open_hub
from nervure.operations.windows import Loops, Window
from nervure.service.child import die_with
from nervure.settings import SettingsError
from nervure.store.database import DatabaseError
from nervure.store.inbox import DeadLetter

logger = logging.getLogger(__name__)

RUNNER_VARIABLE = "NERVURE_RUNNER"
STOP_VARIABLE = "NERVURE_STOP_FILE"
WITH_WARNINGS = "Completed with warnings"
LOOK_SECONDS = 0.5
CALM_SECONDS = 150.0
"""When all is well a window shows one slice in this time: that bounds what Prefect writes."""
TROUBLE_SECONDS = 10.0
MAX_LETTER_RUNS = 10
"""At most this many dead letters of one look get a run of their own; the last of them tells of the rest."""

if RUNNER_VARIABLE in os.environ:
    die_with(int(os.environ[RUNNER_VARIABLE]))


def run_name() -> str:
    """Runs are named by when they began."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"


async def run_window(title: str, seconds: float, loops: Callable[[Window], Loops]) -> State[None]:
    """Opens the hub, runs a window to its end, and answers the state that people shall see."""
    try:
        path = settings_file.find()
        if path is None:
            return Failed(
                message=f"There is no {settings_file.FILE_NAME}: run `nervure init`, or set {settings_file.VARIABLE}."
            )
        with open_hub(settings_file.load(path), SystemClock()) as hub:
            return await record(title, Window(hub, seconds), loops)
    except (SettingsError, DatabaseError) as error:
        return Failed(message=str(error))


async def record(title: str, window: Window, loops: Callable[[Window], Loops]) -> State[None]:
    """Runs a window on an open hub. The work has threads of its own; this only looks at it and shows it."""
    work = asyncio.create_task(asyncio.to_thread(lambda: window.run(loops(window))))
    slices = _Slices()
    letters: list[DeadLetter] = []
    try:
        is_done = False
        while not is_done:
            is_done = bool((await asyncio.wait({work}, timeout=LOOK_SECONDS))[0])
            if Path(os.environ.get(STOP_VARIABLE, "")).is_file():
                window.stop.set()
            await slices.see(window.tally.take(), is_last=is_done)
            letters += await _tell(window.hub)
        await work
    finally:
        window.stop.set()
    return await _close(title, window.tally.whole(), letters)


class _Slices:
    """Shows a slice now and then when all is well, soon when it is not; the same trouble once."""

    def __init__(self) -> None:
        self._unseen = Results()
        self._since = time.monotonic()
        self._known: set[str] = set()
        self._has_shown = False

    async def see(self, results: Results, *, is_last: bool) -> None:
        unseen = self._unseen
        unseen.add(results)
        trouble = {*unseen.warnings.values(), *unseen.problems.values()} - self._known
        seconds = time.monotonic() - self._since
        is_due = (is_last and (trouble or not self._has_shown)) or seconds >= (
            TROUBLE_SECONDS if trouble else CALM_SECONDS
        )
        if not (is_due and (trouble or unseen.total)):
            return
        self._unseen, self._since = Results(), time.monotonic()
        self._known |= trouble
        self._has_shown = True
        problems = sorted(trouble & {*unseen.problems.values()})
        summary = f"{headline(unseen)} in {seconds:.0f} s"
        await _shown(lambda: cast("Awaitable[object]", record_slice(summary, problems, return_state=True)))


@task(name="slice", task_run_name="{summary}", persist_result=False)
async def record_slice(summary: str, problems: Sequence[str]) -> State[None]:
    """One slice of a window, for people."""
    return Failed(message=" ".join(problems)) if problems else Completed(message=summary)


async def _tell(hub: Hub) -> list[DeadLetter]:
    """Starts a failed run for each new dead letter; those nobody could be told of are told of again later."""
    letters = await asyncio.to_thread(take_dead_letters, hub, 1_000)
    for number, letter in enumerate(letters[:MAX_LETTER_RUNS], start=1):
        others = len(letters) - number if number == MAX_LETTER_RUNS else 0
        sentence = said_of(letter, others)
        name = f"{letter.id} of {letter.channel}"
        if not await _shown(partial(report_dead_letter, name, sentence, return_state=True)):
            await asyncio.to_thread(tell_again, hub, letters[number - 1 :])
            return letters[: number - 1]
    return letters


async def _close(title: str, results: Results, letters: Sequence[DeadLetter]) -> State[None]:
    page = markdown(title, results, letters)
    key = title.replace(" ", "-")
    await _shown(lambda: acreate_markdown_artifact(page, key=key, description=headline(results)))
    if results.problems:
        return Failed(message=" ".join(f"{who}: {what}" for who, what in sorted(results.problems.items())))
    if results.warnings or letters:
        dead = f"{len(letters)} dead letters. " if letters else ""
        return Completed(name=WITH_WARNINGS, message=f"{dead}{headline(results)}.")
    return Completed(message=f"{headline(results)}.")


async def _shown(show: Callable[[], Awaitable[object]]) -> bool:
    """Shows something in Prefect. The hub works on when Prefect does not answer, and outside of any run."""
    if FlowRunContext.get() is None:
        return True
    try:
        await show()
    except Exception as error:
        # Prefect's records are a window for people, never a reason to stop.
        logger.warning("Prefect could not record it: %s", type(error).__name__)
        return False
    return True
