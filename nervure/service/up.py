"""`nervure up`: the whole hub on one machine, from one command."""

import fcntl
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nervure.service.live import Live, as_lines
from nervure.service.stack import Prepare, Say, Stack, demo_stack, merchant_stack
from nervure.service.supervisor import TICK_SECONDS, StartError, Supervisor
from nervure.settings import SettingsError

LOCK = "lock"
"""Held by the process that runs in a folder."""

START_SECONDS = 600.0
"""A quiet machine of two cores needs less than 30; a busy one gets its time."""
LOOK_SECONDS = 2.0
LINE_SECONDS = 15.0
TRIM_SECONDS = 60.0


def run_up(
    settings_file: Path | None,
    *,
    folder: Path,
    prepare: Prepare | None = None,
    orders_per_second: float = 1.0,
    seed: int = 1,
    say: Say = lambda line: print(line, flush=True),
) -> int:
    """Runs until told to stop: the merchant's channels, or without settings the demo. Answers the exit code."""
    folder = folder.resolve()
    try:
        with only_one(folder), stop_signals() as is_told_to_stop:
            if settings_file is None:
                assert prepare is not None
                stack = demo_stack(folder, prepare, say, orders_per_second=orders_per_second, seed=seed)
            else:
                stack = merchant_stack(folder, settings_file.resolve(), say)
            with Supervisor(stack.programs(), folder, say) as supervisor:
                _run(stack, supervisor, is_told_to_stop)
                say("stopping")
        say("stopped")
    except (SettingsError, StartError) as error:
        say(f"nervure up: {error}")
        return 1
    return 0


def _run(stack: Stack, supervisor: Supervisor, is_told_to_stop: Callable[[], bool]) -> None:
    begun = time.monotonic()
    stack.say("starting")
    if not supervisor.start(seconds=START_SECONDS, is_told_to_stop=is_told_to_stop):
        return
    stack.say(f"ready after {time.monotonic() - begun:.0f} s")
    for name, url in addresses(stack):
        stack.say(f"  {name:<8} {url}")
    with Live(addresses(stack)) if sys.stdout.isatty() else as_lines(stack.say, LINE_SECONDS) as show:
        supervisor.say = show.say
        look_at = trim_at = 0.0
        while not is_told_to_stop():
            supervisor.tick()
            now = time.monotonic()
            if now >= look_at:
                look_at = now + LOOK_SECONDS
                show.update(stack.hub_status(), stack.world_status())
            if now >= trim_at:
                trim_at = now + TRIM_SECONDS
                supervisor.trim_logs()
            time.sleep(TICK_SECONDS)
    supervisor.say = stack.say


def addresses(stack: Stack) -> list[tuple[str, str]]:
    """What can be opened in a browser."""
    found = [("hub", stack.hub_url), ("Prefect", stack.prefect_url)]
    return [*found, ("world", f"{stack.world_url}/status")] if stack.world_url else found


# -- small things ------------------------------------------------------------------------------------------------


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Within, SIGINT, SIGTERM and SIGHUP only set what the function answers."""
    told: list[int] = []
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, lambda received, _: told.append(received)) for number in wanted]
    try:
        yield lambda: bool(told)
    finally:
        for number, handler in zip(wanted, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Two hubs must not run in one folder.

    Raises:
        StartError: one runs there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StartError(f"a hub runs in {folder} already: stop it, or choose another folder") from error
        yield
