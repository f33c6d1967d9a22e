"""`nervure up` for real: its own Prefect server, its flows, its service. About a minute."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from nervure.clock import SystemClock
from nervure.service.stack import free_port
from nervure.store.database import open_database
from nervure.store.inbox import InboxStore
from tests.nervure.operations.fake_shops import broken_document
from tests.nervure.service.processes import are_gone, descendants, wait_for

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.xdist_group("prefect"),
]

SETTINGS = """
[hub]
port = {port}
ui_port = {ui_port}

[[locations]]
code = "main"
name = "Main"
kind = "warehouse"
"""
RUN = """
import sys
from pathlib import Path
from nervure.service.up import run_up
raise SystemExit(run_up(Path(sys.argv[1]), folder=Path(sys.argv[2])))
"""


class Up:
    """`nervure up` in a process of its own, with a home that it must not need."""

    def __init__(self, folder: Path) -> None:
        self.ports = (free_port(8765, {8765}), free_port(4200, {4200}))
        settings = folder / "nervure.toml"
        settings.write_text(SETTINGS.format(port=self.ports[0], ui_port=self.ports[1]))
        self.folder, self._out = folder, folder / "out"
        self._file = self._out.open("w")
        environment = {**os.environ, "HOME": "/nonexistent"}
        command = [sys.executable, "-c", RUN, str(settings), str(folder / "run")]
        self.process = subprocess.Popen(command, stdout=self._file, stderr=subprocess.STDOUT, env=environment)

    def said(self) -> str:
        return self._out.read_text()

    def found(self, kind: str, **filters: Any) -> list[dict[str, Any]]:
        with httpx.Client(trust_env=False, timeout=10) as client:
            answer = client.post(f"http://127.0.0.1:{self.ports[1]}/api/{kind}/filter", json=filters)
            found: list[dict[str, Any]] = answer.raise_for_status().json()
            return found

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self._file.close()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    found = Up(tmp_path)
    yield found
    found.close()


def test_up_runs_flows_tells_of_dead_letters_restarts_what_dies_and_leaves_nothing(up: Up) -> None:
    assert wait_for(lambda: "ready after" in up.said(), 180), up.said()
    assert len(up.found("deployments")) == 9
    assert [one["name"] for one in up.found("automations")] == ["Nervure: a run without a heartbeat has crashed"]

    with closing(open_database(f"sqlite:///{up.folder / 'nervure.db'}")) as database:
        database.run(lambda c: InboxStore(c, SystemClock().now()).put("ghost", [broken_document(1)]))
    failed = {
        "flow_runs": {"state": {"type": {"any_": ["FAILED"]}}},
        "flows": {"name": {"any_": ["report-dead-letter"]}},
    }
    assert wait_for(lambda: len(up.found("flow_runs", **failed)) == 1, 10)

    hub = next(number for number in descendants(up.process.pid) if _runs(number, "nervure.service\0"))
    os.kill(hub, signal.SIGKILL)
    assert wait_for(lambda: "hub ended (signal SIGKILL" in up.said(), 5)
    assert wait_for(lambda: up.said().count("hub is ready") == 2, 30)

    # Drain, publish and sweep stay; what a schedule started beside them ends by itself.
    assert wait_for(lambda: sum(_runs(number, "prefect.engine") for number in descendants(up.process.pid)) == 3, 30)
    everything = descendants(up.process.pid)
    begun = time.monotonic()
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(20) == 0
    assert time.monotonic() - begun < 10
    assert are_gone(everything)
    assert up.said().endswith("stopping\nstopped\n")


def test_up_killed_leaves_nothing(up: Up) -> None:
    assert wait_for(lambda: "ready after" in up.said(), 180), up.said()
    everything = descendants(up.process.pid)
    up.process.kill()
    up.process.wait(5)
    assert wait_for(lambda: are_gone(everything), 10)


def _runs(number: int, word: str) -> bool:
    try:
        return word in Path(f"/proc/{number}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
