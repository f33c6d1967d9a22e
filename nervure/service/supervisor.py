"""Keeps processes running: starts them in order, restarts what dies, and leaves nothing behind.

Every child leads a session and process group of its own, so that Ctrl-C reaches only the supervisor, and so that a
child is ended together with all it started. Only groups that were started here are signaled, by id, and before their
leader is reaped: until then the system gives its id to nobody else. On Linux a child is killed by the kernel when the
supervisor is (nervure.service.child). Used from the main thread.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TICK_SECONDS = 0.2
FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""A child that lived so long is restarted without the backoff of its earlier deaths."""
PATIENT_SECONDS = 4.0
"""So long a program that others need is kept for them at the end."""
STOP_SECONDS = 7.5
"""After this what has not ended is killed."""
LOG_BYTES = 10_000_000
MAX_WORDS = 200


class StartError(Exception):
    """Something did not come up: what, and where to look."""


@dataclass(frozen=True, slots=True)
class Program:
    """One process to keep running.

    `after`: names of programs that must be ready first, and that are stopped only once this one has ended.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    is_ready: Callable[[], bool]
    after: tuple[str, ...] = ()
    stop_signal: signal.Signals = signal.SIGTERM


@dataclass
class _Child:
    program: Program
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    starts_at: float = 0.0
    deaths: int = 0
    is_ready: bool = False
    is_told: bool = False


@dataclass
class Supervisor:
    """Keeps programs running in a folder. `say` gets plain lines."""

    programs: Sequence[Program]
    folder: Path
    say: Callable[[str], None]
    _children: dict[str, _Child] = field(default_factory=dict)

    def __enter__(self) -> "Supervisor":
        logs = self.folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self._children = {one.name: _Child(one, logs / f"{one.name}.log") for one in self.programs}
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def is_ready(self) -> bool:
        return all(child.is_ready for child in self._children.values())

    def process_ids(self) -> dict[str, int]:
        """The process of each program that runs now."""
        return {name: child.process.pid for name, child in self._children.items() if child.process}

    def start(self, *, seconds: float, is_told_to_stop: Callable[[], bool]) -> bool:
        """Starts everything, each program once those it needs are ready; False: told to stop meanwhile.

        Raises:
            StartError: not all of it was ready in time.
        """
        until = time.monotonic() + seconds
        while not self.is_ready:
            if is_told_to_stop():
                return False
            if time.monotonic() > until:
                missing = next(child for child in self._children.values() if not child.is_ready)
                raise StartError(f"{missing.program.name} was not ready within {seconds:.0f} s: see {missing.log}")
            self.tick()
            time.sleep(TICK_SECONDS)
        return True

    def tick(self) -> None:
        """Looks after every child once; called a few times a second."""
        for child in self._children.values():
            if child.process is None:
                self._start_if_due(child)
            elif _has_ended(child.process):
                self._bury(child, child.process)
            elif not child.is_ready and child.program.is_ready():
                child.is_ready = True
                self.say(f"{child.program.name} is ready ({time.monotonic() - child.started_at:.1f} s)")

    def trim_logs(self) -> None:
        """Keeps every log below its limit; what was written last stays in `.1`."""
        for child in self._children.values():
            if child.log.exists() and child.log.stat().st_size > LOG_BYTES:
                child.log.with_suffix(".log.1").write_bytes(child.log.read_bytes())
                os.truncate(child.log, 0)

    def _start_if_due(self, child: _Child) -> None:
        needs = (self._children[name] for name in child.program.after)
        if time.monotonic() < child.starts_at or not all(need.is_ready for need in needs):
            return
        command = [sys.executable, "-P", "-m", "nervure.service.child", str(os.getpid()), *child.program.command]
        with child.log.open("ab") as log:
            child.process = subprocess.Popen(  # noqa: S603 - our own command lines, no shell
                command,
                cwd=self.folder,
                env=dict(child.program.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child.started_at = time.monotonic()

    def _bury(self, child: _Child, process: subprocess.Popen[bytes]) -> None:
        """Ends what a dead child left behind, and plans its next start."""
        _signal_group(process, signal.SIGKILL)
        code = process.wait()
        lived = time.monotonic() - child.started_at
        child.deaths = 1 if lived > STEADY_SECONDS else child.deaths + 1
        wait = min(FIRST_BACKOFF_SECONDS * 2 ** (child.deaths - 1), MAX_BACKOFF_SECONDS)
        child.process, child.is_ready, child.starts_at = None, False, time.monotonic() + wait
        said = f"{child.program.name} ended ({_how(code)}{_last_words(child.log)})"
        self.say(f"{said}; it is started again in {wait:g} s, see {child.log}")

    # -- the end -----------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ends every child and all they started, in the opposite order of their start."""
        begun = time.monotonic()
        while left := [child for child in self._children.values() if child.process]:
            for child in left:
                self._end(child, time.monotonic() - begun)
            time.sleep(TICK_SECONDS / 4)

    def _end(self, child: _Child, seconds: float) -> None:
        process = child.process
        assert process is not None
        if _has_ended(process):
            _signal_group(process, signal.SIGKILL)
            process.wait()
            child.process, child.is_ready = None, False
        elif seconds > STOP_SECONDS:
            _signal_group(process, signal.SIGKILL)
        elif not child.is_told and (seconds > PATIENT_SECONDS or not self._is_needed(child)):
            child.is_told = True
            # The leader ends what it started; whatever is left of its group is killed when the leader has ended.
            process.send_signal(child.program.stop_signal)

    def _is_needed(self, child: _Child) -> bool:
        return any(other.process and child.program.name in other.program.after for other in self._children.values())


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process has ended, without reaping it: its id stays its own."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
    except PermissionError:
        return  # macOS says so of a group that holds only its dead leader


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"


def _last_words(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4_096))
        lines = [line.strip() for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return f": {lines[-1][:MAX_WORDS]}" if lines else ""
