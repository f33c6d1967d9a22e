"""Supervises one program that starts another: `python supervise.py FOLDER`, until SIGTERM."""

import os
import sys
import time
from pathlib import Path

from nervure.service.supervisor import Program, Supervisor
from nervure.service.up import stop_signals

PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open("writing", "w").write(str(child.pid))
os.replace("writing", "grandchild")
time.sleep(600)
"""


def main() -> None:
    folder = Path(sys.argv[1])
    programs = [
        Program("parent", [sys.executable, "-c", PARENT], dict(os.environ), (folder / "grandchild").exists),
        Program("deaf", [sys.executable, "-c", DEAF], dict(os.environ), lambda: True, ("parent",)),
    ]
    with stop_signals() as is_told, Supervisor(programs, folder, lambda line: print(line, flush=True)) as supervisor:
        supervisor.start(seconds=30, is_told_to_stop=is_told)
        print("everything", *(f"{name}={number}" for name, number in supervisor.process_ids().items()), flush=True)
        while not is_told():
            supervisor.tick()
            time.sleep(0.1)


DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"

if __name__ == "__main__":
    main()
