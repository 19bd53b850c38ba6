"""The real edge agent as a process of its own, with an emulated board behind it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.server import ServerProcess


class EdgeProcess:
    """`python -m edge` for one server; it keeps its state folder across restarts."""

    def __init__(
        self,
        server: ServerProcess,
        endpoint: str,
        state_dir: Path,
        *,
        address: str | None = None,
        key: str | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.log = state_dir.parent / f"{state_dir.name}.log"
        self._arguments = [
            *(sys.executable, "-m", "edge"),
            *("--server", address or f"coap://127.0.0.1:{server.lwm2m_port}"),
            *("--endpoint", endpoint),
            *("--board", "mps2-an386"),
            *("--public-key", str(server.data_dir / "keys" / "signing-public.pem")),
            *("--state-dir", str(state_dir)),
            *("--bind", "127.0.0.1"),
            *("--lifetime", "20"),
            *("--boot-deadline", "15"),
        ]
        if key is not None:
            key_file = state_dir.parent / f"{state_dir.name}.key"
            key_file.write_text(key)
            self._arguments += ["--psk-key-file", str(key_file)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start; it registers by itself."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=Path(__file__).parents[2]
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        if self._process is not None:
            os.kill(self._process.pid, number)

    @contextmanager
    def crawling(self) -> Iterator[None]:
        """Let the agent run for a millisecond in every thirty: a device on a very slow link."""
        done = threading.Event()

        def crawl() -> None:
            while not done.is_set():
                self.signal(signal.SIGSTOP)
                done.wait(0.029)
                self.signal(signal.SIGCONT)
                done.wait(0.001)

        thread = threading.Thread(target=crawl)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self.signal(signal.SIGCONT)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that does not help."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-4000:]
