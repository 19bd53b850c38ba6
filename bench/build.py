"""What a build costs on the server, beside a bare `docker run` of the same image on the same files.

    python -m bench.build [--repeat 7] [--model digits-cnn ...]

Prints medians, and the worst: the bare run; from the request over HTTP to the signed firmware (a new key each time, so
that nothing is answered from the store); and the same build asked for again. Aims: the server takes at most 1.2 times
the bare run, a change of the model alone at most 2 s, a stored result at most 20 ms. The server is a process of its own
with a new data folder; measurements in QEMU, which follow a build, are waited for between builds.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from app.services.build_input import build_input
from app.storage.blobs import BlobStore
from app.storage.tables import ModelVersionRow
from builders.engine import connect
from builders.image import build_shipped_image
from tests.support.server import ServerProcess
from zoo.cards import load

BOARD = "mps2-an386"
MODELS = ("digits-cnn", "hello-world-sine", "vibration-autoencoder")
POLL_SECONDS = 0.01
MAX_RATIO, MAX_SECONDS, MAX_STORED_SECONDS = 1.2, 2.0, 0.02


def times(repeat: int, run: Callable[[], object]) -> list[float]:
    """How long each of the runs took."""
    found = []
    for _ in range(repeat):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return found


@contextmanager
def bare(image: str, files: Mapping[str, bytes]) -> Iterator[Callable[[], None]]:
    """`docker run` with the builder's folders, and nothing else around it."""
    with tempfile.TemporaryDirectory(prefix="bench-build-") as temporary:
        source, out = Path(temporary) / "in", Path(temporary) / "out"
        source.mkdir()
        out.mkdir()
        out.chmod(0o777)  # the builder is another user
        for name, content in files.items():
            (source / name).write_bytes(content)
        command = ["docker", "run", "--rm", "--network", "none", "-v", f"{source}:/in:ro", "-v", f"{out}:/out", image]

        def run() -> None:
            subprocess.run(command, check=True, capture_output=True)
            if not (out / "firmware.bin").stat().st_size:
                raise SystemExit("the bare run made no firmware")

        yield run


class Bench:
    """A server and its client."""

    def __init__(self, api: httpx.Client) -> None:
        self.api = api
        self._counter = count(1)
        self.last = 0

    def version(self, model: str) -> dict[str, Any]:
        """The newest version of a model."""
        found: dict[str, Any] = self.api.get(f"/v1/models/{model}/versions/1").raise_for_status().json()
        return found

    def request(self, model: str, counter: int) -> dict[str, Any]:
        """POST a build."""
        body = {"model": model, "board": BOARD, "security_counter": counter}
        found: dict[str, Any] = self.api.post("/v1/builds", json=body).raise_for_status().json()
        return found

    def build(self, model: str) -> list[float]:
        """A build under a new key, to its signed image, and how long it took; then its measurement is waited for."""
        began = time.perf_counter()
        self.last = next(self._counter)
        build = self.request(model, self.last)
        while build["finished_at"] is None:
            time.sleep(POLL_SECONDS)
            build = self.api.get(f"/v1/builds/{build['id']}").json()
        if build["state"] != "succeeded":
            raise SystemExit(f"{model}: {build['error']}")
        self.api.get(f"/v1/artifacts/{build['artifact_sha256']}/content").raise_for_status()
        seconds = time.perf_counter() - began
        while build["performance"]["basis"] != "measured":
            time.sleep(POLL_SECONDS)
            build = self.api.get(f"/v1/builds/{build['id']}").json()
        return [seconds]


def input_of(bench: Bench, model: str, folder: Path) -> dict[str, bytes]:
    """The files that the server gives to the builder, made anew from the card's model."""
    content, blobs = load(model).model, BlobStore(folder)
    described = bench.version(model)
    row = ModelVersionRow(
        model=model,
        version=1,
        sha256=blobs.put(content),
        size=len(content),
        report=described["report"],
        golden={"vectors": []},
    )
    return build_input(blobs, row, board=BOARD, parameters={}, firmware_version="1.0.0+1").files()


def line(what: str, seconds: list[float], against: str = "") -> None:
    """One row of the table."""
    print(f"{what:38} {statistics.median(seconds):8.3f} s  worst {max(seconds):8.3f} s  {against}", flush=True)


def main() -> None:
    """Prints the table; exits with 1 when an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--model", action="append", choices=MODELS)
    options = parser.parse_args()
    engine = connect()
    image = build_shipped_image(engine, print)
    missed = []
    with tempfile.TemporaryDirectory(prefix="bench-build-") as temporary:
        server = ServerProcess(Path(temporary) / "data")
        server.start()
        try:
            with server.client() as api:
                api.post("/v1/builders", json={"image": image}).raise_for_status()
                bench = Bench(api)
                for model in options.model or MODELS:
                    with bare(image, input_of(bench, model, Path(temporary) / "blobs")) as run:
                        run()  # warm, and so is the server's
                        bench.build(model)
                        alone, served = [], []
                        for _ in range(options.repeat):  # in turn: what else the machine does is the same for both
                            alone += times(1, run)
                            served += bench.build(model)
                    stored = times(10 * options.repeat, lambda model=model: bench.request(model, bench.last))  # type: ignore[misc]  # bound now
                    ratio = statistics.median(served) / statistics.median(alone)
                    line(f"{model}: bare docker run", alone)
                    line(f"{model}: request to signed firmware", served, f"{ratio:.2f} times the bare run")
                    line(f"{model}: stored result", stored)
                    missed += [
                        f"{model}: {what}"
                        for what, bad in (
                            (f"{ratio:.2f} times the bare run", ratio > MAX_RATIO),
                            ("a build took too long", statistics.median(served) > MAX_SECONDS),
                            ("a stored result took too long", statistics.median(stored) > MAX_STORED_SECONDS),
                        )
                        if bad
                    ]
        finally:
            server.stop()
            engine.close()
    for reason in missed:
        print(f"missed: {reason}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
