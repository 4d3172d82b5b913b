"""Starts a command that ends when its parent does, even when the parent is killed.

``python -m synthvlm.parent_death PARENT_PID COMMAND…`` asks the kernel to send SIGTERM when
the parent dies, then becomes the command. A service gets to drain, and none is left behind by
``kill -9``.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def ending_with_parent(command: list[str]) -> list[str]:
    """The command line that runs ``command`` until it ends or this process does.

    The kernel watches the calling thread: start the command from one that outlives it.
    """
    return [sys.executable, "-m", "synthvlm.parent_death", str(os.getpid()), *command]


def main() -> None:
    """Asks for the signal and becomes the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refuses PR_SET_PDEATHSIG")
    if os.getppid() != parent:  # it died before the kernel was asked
        sys.exit(128 + signal.SIGTERM)
    os.execvp(command[0], command)  # noqa: S606 - that is the point


if __name__ == "__main__":
    main()
