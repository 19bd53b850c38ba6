"""Broken .tflite files against the model compiler: each is refused or compiled, within a time and 1 GB of memory.

    python bench/fuzz.py [--cases 100000] [--first 0] [--workers 1]

Files are valid models (zoo/catalog, the conformance models, ../shared/models where it is, random graphs over all
operators) in which a seed flips bits, cuts the end off, or changes dimensions, lengths, offsets, operands, constants
and options (tests/unit/compiler/mutations.py). A case that ends otherwise is printed with its seed, and fails the run.
"""

import argparse
import multiprocessing.connection
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "models"  # of MLPerf Tiny, where they are at hand
sys.path[:0] = [str(ROOT / "tests" / "unit" / "compiler"), str(ROOT / "builders" / "images" / "cortex-m")]

from compiler.compile import compile_model  # noqa: E402 - the image's package is found through the path above
from compiler.errors import Code, CompileError  # noqa: E402 - as above
from mutations import MUTATIONS, Base, bases, mutant  # noqa: E402 - as above

CASE_SECONDS = 20  # of one case; a case that does not even take the alarm is killed after twice that
MEMORY_BYTES = 1 << 30  # of a worker's whole address space


@dataclass(frozen=True)
class Outcome:
    """How a case ended: `compiled`, the code of its refusal, or what should not happen, and how long it took."""

    seed: int
    mutation: str
    ending: str
    seconds: float
    detail: str = ""

    @property
    def good(self) -> bool:
        """Compiled, or refused for a reason that blames the model."""
        return self.ending == "compiled" or self.ending in {code.value for code in Code} - {Code.INTERNAL.value}


def run_case(seed: int, among: list[Base]) -> Outcome:
    """One mutant through the compiler."""
    name, data = mutant(seed, among)
    started = time.monotonic()
    detail = ""
    try:
        texts = list(compile_model(data).sources.values())
        ending = "compiled"
    except CompileError as refused:
        texts, ending, detail = [refused.message, refused.hint], refused.code.value, refused.message
    except TimeoutError:
        texts, ending = ["-"], "too slow"
    except MemoryError:
        texts, ending = ["-"], "too large"
    except Exception as error:  # noqa: BLE001 - whatever the compiler lets out is the finding
        texts, ending, detail = ["-"], "crashed", repr(error)
    if not all(text and text.isascii() for text in texts):
        ending, detail = "bad text", detail or "the sources"
    return Outcome(seed, name, ending, time.monotonic() - started, detail)


def _alarm(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError


def _work(pipe: Connection, seeds: range) -> None:
    """A worker: every outcome through the pipe as soon as it is there."""
    among = bases(SHARED)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGALRM, _alarm)
    for seed in seeds:
        signal.alarm(CASE_SECONDS)
        outcome = run_case(seed, among)
        signal.alarm(0)
        pipe.send(outcome)
    pipe.close()


class Worker:
    """A process with its share of the seeds; one that dies or hangs is replaced after the case that did it."""

    def __init__(self, seeds: range) -> None:
        self._seeds = seeds
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe(duplex=False)
        self._process = context.Process(target=_work, args=(other, self._seeds), daemon=True)
        self._process.start()
        other.close()
        self._last = time.monotonic()

    @property
    def done(self) -> bool:
        """All seeds have their outcome."""
        return not self._seeds

    def take(self) -> Outcome:
        """The next outcome, from the process or from its end."""
        try:
            outcome: Outcome = self.pipe.recv()
        except EOFError:
            self._process.join()
            return self._lost(f"exit code {self._process.exitcode}", "died")
        self._seeds, self._last = self._seeds[1:], time.monotonic()
        if self.done:
            self._process.join()
        return outcome

    def overdue(self) -> Outcome | None:
        """The outcome of a case that does not end."""
        if time.monotonic() - self._last < 2 * CASE_SECONDS + 60:  # it may still be making its models
            return None
        self._process.kill()
        self._process.join()
        return self._lost("killed", "hung")

    def _lost(self, detail: str, ending: str) -> Outcome:
        seed = self._seeds[0]
        self._seeds = self._seeds[1:]
        self.pipe.close()
        if self._seeds:
            self._start()
        return Outcome(seed, "?", ending, 0.0, detail)


def outcomes(first: int, cases: int, workers: int) -> Iterator[Outcome]:
    """Of all seeds, in the order in which they come in."""
    running = [Worker(range(first + number, first + cases, workers)) for number in range(min(workers, cases))]
    while running:
        ready = multiprocessing.connection.wait([worker.pipe for worker in running], timeout=1)
        for worker in list(running):
            found = worker.take() if worker.pipe in ready else worker.overdue()
            if found is not None:
                yield found
            if worker.done:
                running.remove(worker)


def main() -> int:
    """1 if any case crashed, hung or took too much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    table: dict[str, Counter[str]] = {name: Counter() for name in (*MUTATIONS, "?")}
    bad: list[Outcome] = []
    slowest = Outcome(-1, "?", "", 0.0)
    started = time.monotonic()
    for count, outcome in enumerate(outcomes(options.first, options.cases, options.workers), 1):
        table[outcome.mutation][outcome.ending] += 1
        slowest = max(slowest, outcome, key=lambda found: found.seconds)
        if not outcome.good:
            bad.append(outcome)
            print(f"seed {outcome.seed}: {outcome.ending}: {outcome.detail}", flush=True)
        if count % 10_000 == 0:
            print(f"{count} cases, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    endings = sorted({ending for counts in table.values() for ending in counts})
    print(f"{'':26}" + "".join(f"{ending:>22}" for ending in endings))
    for name, counts in table.items():
        if counts:
            print(f"{name:26}" + "".join(f"{counts[ending]:>22}" for ending in endings))
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f"{options.cases} cases in {time.monotonic() - started:.0f} s; {len(bad)} failed")
    print(f"slowest: seed {slowest.seed}, {slowest.seconds:.1f} s ({slowest.ending}); largest worker: {memory} MB")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
