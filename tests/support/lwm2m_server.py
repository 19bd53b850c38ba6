"""`python -m lwm2m.server` as a process of its own, where a Leshan demo server would stand."""

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx

from tests.support.server import free_ports

READY_SECONDS = 30


class Lwm2mServerProcess:
    """The LwM2M server alone, with Leshan's REST API; it keeps its ports across restarts, and nothing else."""

    def __init__(self, log: Path) -> None:
        self.http_port, self.coap_port = free_ports()
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.coap = f"coap://127.0.0.1:{self.coap_port}"
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        command = ("--http", f"127.0.0.1:{self.http_port}", "--coap", f"127.0.0.1:{self.coap_port}")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lwm2m.server", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parents[2],
            )
        deadline = time.monotonic() + READY_SECONDS
        while True:
            with suppress(httpx.TransportError):  # it does not listen yet
                if httpx.get(f"{self.url}/api/clients", timeout=5).status_code == httpx.codes.OK:
                    return
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.kill()
                raise AssertionError(f"the LwM2M server did not start; its log ends:\n{self.tail()}")
            time.sleep(0.1)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            process.wait()

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-4000:]
