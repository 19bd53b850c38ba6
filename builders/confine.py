"""Puts limits on its own process, then becomes the program it was given: `confine.py LIMITS PROGRAM ARGUMENT...`.

Run as a script by `builders.local`. A function called between fork and exec would be shorter, but may deadlock in a
process with threads, and the server has threads.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def main(arguments: list[str]) -> None:
    """Set the limits of `arguments[0]` (JSON: memory_bytes, cpu_seconds, file_bytes, parent), then exec the rest."""
    limits = json.loads(arguments[0])
    for kind, value in (
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_CPU, limits["cpu_seconds"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, 1024),
        (resource.RLIMIT_CORE, 0),
        # No RLIMIT_NPROC: it counts every process of the user, so what it leaves depends on the desk it runs at.
    ):
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # a killed server leaves no build behind
        if os.getppid() != limits["parent"]:
            sys.exit("confine: the server has gone")
    os.execv(arguments[1], arguments[1:])  # noqa: S606 - an argument list of our own server


if __name__ == "__main__":
    main(sys.argv[1:])
