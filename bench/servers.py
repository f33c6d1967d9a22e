"""Servers as processes of their own on loopback: the hub's service, and a bare handler beside it."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from nervure.settings import VARIABLE

START_SECONDS = 60.0


@contextmanager
def service(settings: str, port: int, extra: Mapping[str, str]) -> Iterator[Path]:
    """The hub's own service with these settings; answers the file that they stand in."""
    with tempfile.TemporaryDirectory(prefix="nervure-bench-") as folder:
        file = Path(folder) / "nervure.toml"
        file.write_text(settings, "utf-8")
        with _server([sys.executable, "-m", "nervure.service"], port, {VARIABLE: str(file), **extra}):
            yield file


@contextmanager
def bare() -> Iterator[int]:
    port = free_port()
    with _server([sys.executable, "-m", "bench.bare", str(port)], port, {}):
        yield port


@contextmanager
def _server(command: Sequence[str], port: int, extra: Mapping[str, str]) -> Iterator[None]:
    process = subprocess.Popen(list(command), env={**os.environ, **extra})  # noqa: S603 - our own command lines
    try:
        _wait_for(process, port)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: "subprocess.Popen[bytes]", port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, "a server ended before it was ready"
        with closing(socket.socket()) as probe:
            probe.settimeout(1.0)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("a server was not ready in time")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
