"""`nervure up`: the whole hub on one machine, from one command."""

import fcntl
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import httpx

from nervure.service.live import Live, as_lines
from nervure.service.supervisor import TICK_SECONDS, Program, StartError, Supervisor
from nervure.settings import VARIABLE, SettingsError, load

START_SECONDS = 180.0
PREFECT_PORT = 4200
HUB_PORT = 8765
WORLD_PORT = 8766
LOOK_SECONDS = 2.0
LINE_SECONDS = 15.0
TRIM_SECONDS = 60.0
QUIET_LOOKS = 3
"""So many looks in a row must find the hub at rest."""

RUN_DAYS = 2
EVENT_DAYS = 1
"""Prefect keeps runs and events for so long under `nervure up`."""

Say = Callable[[str], None]


class DemoFiles(Protocol):
    """What the demo prepared."""

    @property
    def settings_file(self) -> Path: ...
    @property
    def world_command(self) -> Sequence[str]: ...


class Prepare(Protocol):
    """Prepares the demo in a folder."""

    def __call__(
        self,
        folder: Path,
        *,
        world_port: int,
        hub_port: int,
        orders: int | None,
        orders_per_second: float,
        seed: int,
    ) -> DemoFiles: ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the processes listen; `world` None: the merchant's own channels."""

    prefect: int
    hub: int
    world: int | None = None
    host: str = "127.0.0.1"


@dataclass
class Stack:
    """All processes of one hub on one machine."""

    folder: Path
    settings_file: Path
    ports: Ports
    say: Say
    world_command: Sequence[str] = ()
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=2.0, trust_env=False))

    @property
    def prefect_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.prefect}"

    @property
    def hub_url(self) -> str:
        return f"http://{self.ports.host}:{self.ports.hub}"

    @property
    def world_url(self) -> str | None:
        return None if self.ports.world is None else f"http://127.0.0.1:{self.ports.world}"

    def programs(self) -> list[Program]:
        """The processes and their order: flows need everything else."""
        python = [sys.executable, "-P", "-m"]
        environment = self._environment()
        server = [*python, "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.ports.prefect)]
        found = [
            Program("prefect", server, environment, self._answers(f"{self.prefect_url}/api/health"), (), signal.SIGINT),
            Program("hub", [*python, "nervure.service"], environment, self._answers(f"{self.hub_url}/health")),
        ]
        if self.world_command:
            ready = self._answers(f"{self.world_url}/status")
            found.append(Program("world", list(self.world_command), environment, ready))
        needs = tuple(one.name for one in found)
        found.append(Program("flows", [*python, "flows.serve_all"], environment, self._has_begun, needs))
        return found

    def _environment(self) -> dict[str, str]:
        for name in ("prefect", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        return {
            **os.environ,
            **prefect_environment(self.folder / "prefect", self.ports.prefect),
            VARIABLE: str(self.settings_file),
            "NERVURE_STOP_FILE": str(self.folder / "stop"),
            "TMPDIR": str(self.folder / "tmp"),
            "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1,localhost"])),
            "PYTHONUNBUFFERED": "1",
        }

    def _answers(self, url: str) -> Callable[[], bool]:
        return lambda: self._get(url) is not None

    def _has_begun(self) -> bool:
        """Whether the first windows run: numbers move only then."""
        flows = ["drain-inbox", "publish-availability"]
        body = {"flows": {"name": {"any_": flows}}, "flow_runs": self._begun()}
        return self._count("flow_runs", body) >= len(flows)

    def hub_status(self) -> dict[str, Any] | None:
        return self._get(f"{self.hub_url}/status")

    def world_status(self) -> dict[str, Any] | None:
        return self._get(f"{self.world_url}/status") if self.world_url else None

    def count_runs(self) -> dict[str, int]:
        """Runs that Prefect has recorded since this start."""
        return {kind: self._count(kind, {kind: self._begun()}) for kind in ("flow_runs", "task_runs")}

    def _begun(self) -> dict[str, Any]:
        """Prefect takes a run that only waits for one that starts when it is due, so the state is asked for too."""
        return {
            "start_time": {"after_": self.started_at.isoformat()},
            "state": {"type": {"any_": ["RUNNING", "COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}},
        }

    def _get(self, url: str) -> dict[str, Any] | None:
        try:
            answer = self._client.get(url)
            found = answer.raise_for_status().json()
        except (httpx.HTTPError, json.JSONDecodeError):
            return None
        return found if isinstance(found, dict) else {}

    def _count(self, kind: str, body: Mapping[str, Any]) -> int:
        try:
            return int(self._client.post(f"{self.prefect_url}/api/{kind}/count", json=body).raise_for_status().json())
        except (httpx.HTTPError, ValueError, TypeError):
            return 0


def prefect_environment(home: Path, port: int) -> dict[str, str]:
    """Prefect's settings on one machine: its home and database in a folder of ours, and records that do not pile up."""
    url = f"http://127.0.0.1:{port}/api"
    ours = {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": url,
        "PREFECT_UI_API_URL": url,
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    adjustable = {
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": "900",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(RUN_DAYS * 86_400),
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"P{EVENT_DAYS}D",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES": '{"prefect.flow-run.heartbeat": 3600}',
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "50",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "50",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "50",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
    }
    return {name: os.environ.get(name, value) for name, value in adjustable.items()} | ours


# -- the command -------------------------------------------------------------------------------------------------


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


def merchant_stack(folder: Path, settings_file: Path, say: Say) -> Stack:
    """The merchant's own channels.

    Raises:
        SettingsError: the settings cannot be used, or their port is taken.
    """
    settings = load(settings_file)
    if not is_free(settings.hub.port, settings.hub.host):
        raise SettingsError(
            f"port {settings.hub.port} is taken: stop what listens there, or set another port in {settings_file.name}"
        )
    host = "127.0.0.1" if settings.hub.host in ("0.0.0.0", "::") else settings.hub.host  # noqa: S104 - only compared
    ports = Ports(prefect=free_port(settings.hub.ui_port, {settings.hub.port}), hub=settings.hub.port, host=host)
    return Stack(folder, settings_file, ports, say)


def demo_stack(
    folder: Path,
    prepare: Prepare,
    say: Say,
    *,
    orders: int | None = None,
    orders_per_second: float,
    seed: int,
) -> Stack:
    """The demo's emulated channels, beside the hub."""
    folder.mkdir(parents=True, exist_ok=True)
    hub = free_port(HUB_PORT)
    world = free_port(WORLD_PORT, {hub})
    prefect = free_port(PREFECT_PORT, {hub, world})
    files = prepare(
        folder, world_port=world, hub_port=hub, orders=orders, orders_per_second=orders_per_second, seed=seed
    )
    return Stack(
        folder, files.settings_file.resolve(), Ports(prefect, hub, world), say, world_command=files.world_command
    )


def wait_until_quiet(
    stack: Stack, supervisor: Supervisor, *, seconds: float, is_told_to_stop: Callable[[], bool]
) -> bool:
    """Waits until the world has finished and the hub is at rest; False: it took too long, or was told to stop."""
    until, looks = time.monotonic() + seconds, 0
    while looks < QUIET_LOOKS:
        if is_told_to_stop() or time.monotonic() > until:
            return False
        supervisor.tick()
        looks = looks + 1 if _is_quiet(stack) else 0
        time.sleep(TICK_SECONDS * 2)
    return True


def _is_quiet(stack: Stack) -> bool:
    world, hub = stack.world_status(), stack.hub_status()
    if not world or not hub or not world.get("finished"):
        return False
    return not hub["inbox"]["waiting"] and not any(channel["pending"] for channel in hub["channels"])


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
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StartError(f"a hub runs in {folder} already: stop it, or choose another folder") from error
        yield


def free_port(wanted: int, taken: set[int] = frozenset()) -> int:  # type: ignore[assignment]  # never changed
    """The wanted port, else one that nobody listens on."""
    if wanted not in taken and is_free(wanted):
        return wanted
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether nobody listens on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
