"""The supervisor with real processes: what dies comes back, and nothing stays behind. Processes are known by id."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nervure.service.stack import free_port, is_free
from nervure.service.supervisor import Program, StartError, Supervisor
from nervure.service.up import only_one
from tests.nervure.service.processes import are_gone, descendants, is_alive, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
SUPERVISE = Path(__file__).with_name("supervise.py")


class Supervised:
    """A supervisor in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._out = (folder / "out").open("w")
        self.process = subprocess.Popen([sys.executable, str(SUPERVISE), str(folder)], stdout=self._out)
        assert wait_for(lambda: "everything " in self.said(), 30), self.said()

    def said(self) -> str:
        return (self._folder / "out").read_text()

    def number_of(self, name: str) -> int:
        words = self.said().partition("everything ")[2].splitlines()[0].split()
        return int(dict(word.split("=") for word in words)[name])

    @property
    def grandchild(self) -> int:
        return int((self._folder / "grandchild").read_text())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self._out.close()


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    found = Supervised(tmp_path)
    yield found
    found.close()


def test_sigterm_ends_every_process_even_a_deaf_one(supervised: Supervised) -> None:
    everything = descendants(supervised.process.pid)
    assert {supervised.number_of("parent"), supervised.number_of("deaf"), supervised.grandchild} <= everything
    begun = time.monotonic()
    supervised.process.send_signal(signal.SIGTERM)
    assert supervised.process.wait(15) == 0
    assert time.monotonic() - begun < 10
    assert are_gone(everything)


def test_a_killed_child_is_started_again_and_leaves_nothing_behind(supervised: Supervised) -> None:
    first, grandchild = supervised.number_of("parent"), supervised.grandchild
    os.kill(first, signal.SIGKILL)
    assert wait_for(lambda: "parent ended (signal SIGKILL)" in supervised.said(), 10)
    assert "it is started again in 0.5 s" in supervised.said()
    assert wait_for(lambda: not is_alive(grandchild), 5)
    assert wait_for(lambda: supervised.grandchild != grandchild and is_alive(supervised.grandchild), 10)


def test_a_supervisor_that_is_killed_takes_its_children_with_it(supervised: Supervised) -> None:
    children = [supervised.number_of("parent"), supervised.number_of("deaf")]
    grandchild = supervised.grandchild
    supervised.process.kill()
    supervised.process.wait(5)
    assert wait_for(lambda: are_gone(children), 5)
    # What a child started is the child's to tie to itself, as flow runs do (flows.recording); here nothing does.
    os.kill(grandchild, signal.SIGKILL)


def test_what_does_not_come_up_is_named_with_its_log(tmp_path: Path) -> None:
    lines: list[str] = []
    never = Program("never", [sys.executable, "-c", "raise SystemExit('no settings')"], {}, lambda: False)
    with (
        pytest.raises(StartError, match=r"never was not ready within 2 s: see .*never\.log"),
        Supervisor([never], tmp_path, lines.append) as supervisor,
    ):
        supervisor.start(seconds=2, is_told_to_stop=lambda: False)
    assert lines[0].startswith("never ended (exit 1: no settings); it is started again in 0.5 s")


def test_a_program_waits_for_those_it_needs(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    first = Program("first", [sys.executable, "-c", "import time; time.sleep(60)"], {}, flag.exists)
    second = Program("second", [sys.executable, "-c", "import time; time.sleep(60)"], {}, lambda: True, ("first",))
    with Supervisor([first, second], tmp_path, lambda _: None) as supervisor:
        supervisor.tick()
        supervisor.tick()
        assert set(supervisor.process_ids()) == {"first"}
        flag.touch()
        supervisor.tick()
        assert set(supervisor.process_ids()) == {"first", "second"}
        children = supervisor.process_ids().values()
    assert are_gone(children)


def test_a_log_is_kept_below_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nervure.service.supervisor.LOG_BYTES", 100)
    with Supervisor([Program("one", ["true"], {}, lambda: True)], tmp_path, lambda _: None) as supervisor:
        log = tmp_path / "logs" / "one.log"
        log.write_bytes(b"x" * 101)
        supervisor.trim_logs()
        assert log.read_bytes() == b""
        assert (tmp_path / "logs" / "one.log.1").read_bytes() == b"x" * 101


def test_two_hubs_do_not_run_in_one_folder(tmp_path: Path) -> None:
    with (
        only_one(tmp_path),
        pytest.raises(StartError, match="already: stop it, or choose another folder"),
        only_one(tmp_path),
    ):
        pass


def test_a_taken_port_gives_way_to_a_free_one() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = free_port(port)
        assert found != port
        assert is_free(found)
    assert free_port(found) == found
