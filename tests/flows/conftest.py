"""A real Prefect server, started once for all tests that ask for it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from flows import recording
from nervure import settings_file
from nervure.operations.hub import Hub
from nervure.service.stack import free_port, prefect_environment

START_SECONDS = 120


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The API of a server in a folder of its own."""
    folder = tmp_path_factory.mktemp("prefect")
    port = free_port(4200, {4200})
    environment = {**os.environ, **prefect_environment(folder, port)}
    command = [sys.executable, "-P", "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}/api"
    try:
        with httpx.Client(base_url=url, trust_env=False, timeout=10) as client:
            wait_for_health(client)
            yield client
    finally:
        server.terminate()
        server.wait(20)


def wait_for_health(client: httpx.Client) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            if client.get("/health").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError("the Prefect server did not start")


class Given:
    """The hub that flows find instead of the one of a settings file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def hub(self, hub: Hub) -> None:
        @contextmanager
        def opened(*_: object) -> Iterator[Hub]:
            yield hub

        self._monkeypatch.setattr(settings_file, "find", lambda: Path("nervure.toml"))
        self._monkeypatch.setattr(settings_file, "load", lambda path: path)
        self._monkeypatch.setattr(recording, "open_hub", opened)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Given:
    return Given(monkeypatch)
