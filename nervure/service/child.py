"""Ends a process with the one that started it, however that one ended.

`python -m nervure.service.child PARENT COMMAND…` ties itself to the process of that id and becomes the command. On
Linux the kernel keeps the promise; elsewhere a child outlives a supervisor that was killed with -9.
"""

import ctypes
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2); kept across execve, not across fork


def die_with(parent: int) -> None:
    """From now on this process is killed when `parent`, which started it, ends; at once if it has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    parent, *command = sys.argv[1:]
    die_with(int(parent))
    os.execvp(command[0], command)  # noqa: S606 - the supervisor's own command, no shell


if __name__ == "__main__":
    main()
