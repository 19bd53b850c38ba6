"""A million malformed datagrams at the network side of the device OS, compiled for this machine with sanitizers.

    python bench/os_fuzz.py [CASES] [--seeds N]

Ends with 1 when a sanitizer finds something, the device sends something malformed, or does not answer any more.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.device_os import compile_fuzzer  # noqa: E402 - the tests are no package that is installed


def main() -> int:
    """Run, and say what the device answered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--seeds", type=int, default=4, help="runs that the cases are divided over (default 4)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fuzzer = compile_fuzzer(Path(folder))
        total: Counter[str] = Counter()
        began = time.monotonic()
        for seed in range(1, options.seeds + 1):
            cases = options.cases // options.seeds
            run = subprocess.run([str(fuzzer), str(seed), str(cases)], capture_output=True, text=True, check=False)
            if run.returncode:
                print(f"seed {seed}: {run.stderr[-5000:]}")
                return 1
            total.update(json.loads(run.stdout))
            print(f"seed {seed}: {cases} cases, nothing found")
    print(f"{options.cases} cases in {time.monotonic() - began:.1f} s; the device sent {dict(total)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
