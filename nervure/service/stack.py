"""All processes of one hub on one machine: what runs, where it listens, and what it says of itself."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from nervure.service.supervisor import TICK_SECONDS, Program, Supervisor
from nervure.settings import SettingsError
from nervure.settings_file import VARIABLE, load

PREFECT_PORT = 4200
HUB_PORT = 8765
WORLD_PORT = 8766
ASK_SECONDS = 2.0
QUIET_LOOKS = 3
"""So many looks in a row must find the hub at rest."""

RUN_DAYS = 2
EVENT_DAYS = 1
"""Prefect keeps runs and events for so long under `nervure up`."""

SOON_OVER = [
    "prefect.flow-run.heartbeat",
    *(f"prefect.task-run.{state}" for state in ("Pending", "Running", "Completed")),
]
"""Events that nobody reads after an hour, and that are most of what Prefect writes."""

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
    api_token: str | None = field(default=None, repr=False)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _opener: OpenerDirector = field(default_factory=lambda: build_opener(ProxyHandler({})))

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
        headers = {"authorization": f"Bearer {self.api_token}"} if self.api_token else {}
        return self._get(f"{self.hub_url}/status", headers)

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

    def _get(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        found = self._ask(Request(url, headers=dict(headers or {})))  # noqa: S310 - our own processes
        return found if isinstance(found, dict) or found is None else {}

    def _count(self, kind: str, body: Mapping[str, Any]) -> int:
        url = f"{self.prefect_url}/api/{kind}/count"
        headers = {"content-type": "application/json"}
        found = self._ask(Request(url, json.dumps(body).encode(), headers))  # noqa: S310 - our own process
        return found if isinstance(found, int) else 0

    def _ask(self, request: Request) -> object:
        """One question to a process of ours; None: no answer that can be read."""
        try:
            with self._opener.open(request, timeout=ASK_SECONDS) as answer:
                return json.load(answer)
        except (OSError, HTTPException, ValueError):
            return None


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
        "PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES": json.dumps(dict.fromkeys(SOON_OVER, 3_600)),
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
    token = settings.hub.api_token.get_secret_value() if settings.hub.api_token else None
    return Stack(folder, settings_file, ports, say, api_token=token)


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
    return bool(hub["quiet"]) and not hub["inbox"]["waiting"] and not any(one["in_flight"] for one in hub["channels"])


def free_port(wanted: int, taken: AbstractSet[int] = frozenset()) -> int:
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
