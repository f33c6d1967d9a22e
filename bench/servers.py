"""Servers as processes of their own on loopback: the hub's service, and a bare handler beside it."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from nervure.settings_file import VARIABLE

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


Accepts = Callable[[bytes, bytes], bool]
"""Whether an answer, its head and its body, is the right one."""


def send_all(port: int, requests: Sequence[bytes], connections: int, accepts: Accepts) -> tuple[list[float], float]:
    """Sends requests on so many connections at once; answers how long each took, and all together, in seconds.

    Plain sockets: a client library would take the cores from the server.
    """
    found: list[list[float]] = [[] for _ in range(connections)]
    begin = threading.Barrier(connections + 1)
    threads = [
        threading.Thread(target=_send, args=(port, requests[n::connections], begin, found[n], accepts), daemon=True)
        for n in range(connections)
    ]
    for thread in threads:
        thread.start()
    begin.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    done = [latency for latencies in found for latency in latencies]
    assert len(done) == len(requests), "a request was not answered as it must be"
    return done, seconds


def _send(
    port: int, requests: Sequence[bytes], begin: threading.Barrier, latencies: list[float], accepts: Accepts
) -> None:
    with socket.create_connection(("127.0.0.1", port)) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begin.wait()
        for request in requests:
            started = time.perf_counter()
            wire.sendall(request)
            if not accepts(*_answer(wire)):
                return
            latencies.append(time.perf_counter() - started)


def _answer(wire: socket.socket) -> tuple[bytes, bytes]:
    got = b""
    while b"\r\n\r\n" not in got:
        got += _more(wire)
    head, _, body = got.partition(b"\r\n\r\n")
    [length] = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    while len(body) < length:
        body += _more(wire)
    return head, body


def _more(wire: socket.socket) -> bytes:
    more = wire.recv(65_536)
    if not more:
        raise ConnectionError("the server hung up in the middle of an answer")
    return more
