"""What a prediction costs over HTTP, against a bare LiteRT call of the same model in the same run.

    python -m bench.predict [--calls 300] [--model digits-cnn]

Starts a server of its own on loopback. Prints milliseconds for a call: the median and the 99th percentile.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tests.support.server import ServerProcess
from zoo.cards import CatalogEntry, load
from zoo.inspect import inspect
from zoo.litert import LiteRt
from zoo.predict import Predictor

BATCH = 64
THREADS = 4


def milliseconds(call: Callable[[], object], calls: int) -> list[float]:
    """Each of `calls` calls, after a few that warm up."""
    for _ in range(10):
        call()
    taken = []
    for _ in range(calls):
        begun = time.perf_counter()
        call()
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


def shown(name: str, taken: list[float], bare: float, instances: int = 1) -> None:
    """One line of the table; `bare` is the median of the bare call in milliseconds."""
    median = statistics.median(taken)
    p99 = statistics.quantiles(taken, n=100)[98]
    print(f"{name:44} {median:9.3f} {p99:9.3f} {median / instances / bare:10.1f}x")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--model", default="digits-cnn")
    arguments = parser.parse_args()
    entry: CatalogEntry = load(arguments.model)
    instance = entry.sample["instances"][0]
    tensor = inspect(entry.model).inputs[0]

    interpreter = LiteRt(entry.model)
    stored = [np.zeros(tensor.shape, tensor.dtype)]
    bare = milliseconds(lambda: interpreter.run(stored), arguments.calls)
    unit = statistics.median(bare)
    print(f"{entry.name}, {arguments.calls} calls{'':22} median ms    p99 ms  per instance")
    shown("bare LiteRT, arrays ready", bare, unit)

    predictor = Predictor()
    one, batch = [instance], [instance] * BATCH
    for name, body in (("in process, nested lists", one), (f"in process, batch of {BATCH}", batch)):
        taken = milliseconds(
            lambda body=body: predictor.predict(entry.card.model_sha256, lambda: entry.model, body),
            max(20, arguments.calls // len(body)),
        )
        shown(name, taken, unit, len(body))

    server = ServerProcess(Path(tempfile.mkdtemp(prefix="bench-predict-")) / "data")
    server.start()
    try:
        with server.client() as api:
            path = f"/v1/models/{entry.name}/predict"

            def over_http(body: str) -> None:
                response = api.post(path, content=body, headers={"Content-Type": "application/json"})
                response.raise_for_status()

            texts = {count: json.dumps({"instances": [instance] * count}) for count in (1, BATCH)}
            shown("HTTP, one instance", milliseconds(lambda: over_http(texts[1]), arguments.calls), unit)
            calls = max(20, arguments.calls // BATCH)
            shown(f"HTTP, batch of {BATCH}", milliseconds(lambda: over_http(texts[BATCH]), calls), unit, BATCH)
            begun = time.perf_counter()
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(lambda _: over_http(texts[1]), range(arguments.calls)))
            passed = time.perf_counter() - begun
            print(f"HTTP, {THREADS} callers at once: {arguments.calls / passed:,.0f} predictions a second")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
