"""A round of many large updates, averaged: how fast and in how much memory, beside one pass of numpy over them.

    python bench/fedavg.py [--clients 1000] [--megabytes 10] [--distinct 16]

Each of `distinct` updates is a document in a file, and serves again until there are as many clients. The whole round
reads, checks and averages one file at a time, as a server does; its memory is bounded by a few updates, whatever the
number of clients, and this script fails when it is not. The average alone runs over arrays that are in memory. Beside
it stands the least that could be done: numpy adding the same arrays up once, in float32. Seconds are of the processor,
so that what else the machine does counts less.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from zoo.federated.aggregate import FedAvg, update_norm
from zoo.federated.documents import Limits, Update, decode_update, encode_update
from zoo.federated.parameters import Floats, Parameter, Parameters, Weights, weights_sha256

MEGABYTE = 1_000_000
UPDATES_IN_MEMORY = 8
"""The accumulator (float64) is two updates; the global model, a document, its weights and their check less than four,
and the rest is what the allocator keeps."""


def resident_peak() -> int:
    """Bytes that this process has occupied at most since `forget_peak`."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def forget_peak() -> None:
    """Begin a new measurement of the peak, at what is occupied now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def timed(work: Callable[[], object]) -> float:
    """Seconds of the processor."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def drawn(parameters: Parameters, seed: int) -> Weights:
    """Weights as a training might give them."""
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(0, 0.1, item.shape).astype(np.float32) for item in parameters)


def whole_round(files: list[Path], clients: int, parameters: Parameters, start: Weights) -> Weights:
    """As a server aggregates: a file is read, checked and averaged, then the next."""
    average = FedAvg(parameters, start)
    for number in range(clients):
        update = decode_update(files[number % len(files)].read_bytes(), parameters, Limits())
        average.add(update.samples, update.weights)
    return average.result()


def averaged(
    updates: list[tuple[int, Weights]], clients: int, parameters: Parameters, start: Weights, clip_norm: float | None
) -> Weights:
    """The average alone."""
    average = FedAvg(parameters, start, clip_norm=clip_norm)
    for number in range(clients):
        average.add(*updates[number % len(updates)])
    return average.result()


def one_pass(updates: list[tuple[int, Weights]], clients: int, total: list[Floats]) -> None:
    """The least that could be done: no weights, no check, float32."""
    for number in range(clients):
        for array, of_update in zip(total, updates[number % len(updates)][1], strict=True):
            np.add(array, of_update, out=array)


def main() -> int:
    """Measure; 1 when the memory is not bounded or the average is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--megabytes", type=float, default=10.0)
    parser.add_argument("--distinct", type=int, default=16)
    given = parser.parse_args()
    rows = max(1, round(given.megabytes * MEGABYTE / 4 / 501))
    parameters = Parameters([Parameter("kernel", (rows, 500)), Parameter("bias", (rows,))])
    before = resident_peak()
    start = drawn(parameters, 0)
    base = weights_sha256(start)
    size, gigabytes = parameters.bytes / MEGABYTE, given.clients * parameters.bytes / 1e9
    print(f"{given.clients} updates of {size:.1f} MB, {gigabytes:.1f} GB, {given.distinct} of them distinct")
    with tempfile.TemporaryDirectory(prefix="bench-fedavg-") as folder:
        files = []
        for number in range(given.distinct):
            update = Update(1, base, number + 1, drawn(parameters, number + 1))
            files.append(Path(folder) / f"{number}.cbor")
            files[-1].write_bytes(encode_update(update))
        del update
        forget_peak()
        result: list[Weights] = []
        taken = timed(lambda: result.append(whole_round(files, given.clients, parameters, start)))
        grown, allowed = resident_peak() - before, UPDATES_IN_MEMORY * parameters.bytes
        peak = f"peak RSS {resident_peak() / MEGABYTE:.0f} MB"
        print(f"{peak}, of which weights and documents took {grown / MEGABYTE:.0f} MB")
        print(f"allowed are {UPDATES_IN_MEMORY} updates, {allowed / MEGABYTE:.0f} MB")
        updates = [(number + 1, drawn(parameters, number + 1)) for number in range(given.distinct)]
    total = [np.zeros(item.shape, np.float32) for item in parameters]
    least = timed(lambda: one_pass(updates, given.clients, total))
    print(f"{'':34}{'seconds':>9}{'GB/s':>7}{'ratio':>7}")
    shown("numpy, one pass in float32", least, gigabytes, least)
    shown("average", timed(lambda: averaged(updates, given.clients, parameters, start, None)), gigabytes, least)
    norm = update_norm(updates[0][1], start)
    clipping = timed(lambda: averaged(updates, given.clients, parameters, start, norm / 2))
    shown("average, every update clipped", clipping, gigabytes, least)
    shown("whole round: read, check, average", taken, gigabytes, least)
    return wrong(updates, given.clients, result[0]) or int(grown > allowed)


def shown(what: str, seconds: float, gigabytes: float, least: float) -> None:
    """One line of the table."""
    print(f"{what:34}{seconds:9.2f}{gigabytes / seconds:7.2f}{seconds / least:6.1f}x")


def wrong(updates: list[tuple[int, Weights]], clients: int, found: Weights) -> int:
    """1 when a row of the result is not the one that numpy works out in one go."""
    samples = [updates[number % len(updates)][0] for number in range(clients)]
    rows = [updates[number % len(updates)][1][0][0] for number in range(clients)]
    far = float(np.abs(np.average(np.array(rows, np.float64), axis=0, weights=samples) - found[0][0]).max())
    print(f"the first row differs by {far:.1g} from numpy's average")
    return int(far > 1e-7)


if __name__ == "__main__":
    sys.exit(main())
