"""Runs a command that the kernel kills with its parent: `python -I tether.py PARENT_PID COMMAND...` (Linux).

A killed agent must leave no board running. The death signal is set after the fork and before the exec, and the parent
is looked at again afterwards, so that an agent killed in between leaves nothing either. Run as a file: imports nothing.
"""

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Tie this process to its parent and become the command."""
    parent, command = int(argv[1]), argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit("the parent is gone")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a firmware that locks up aborts QEMU: no core file for that
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted; the command comes from the agent


if __name__ == "__main__":
    main(sys.argv)
