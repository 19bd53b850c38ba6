"""Many emulated boards at once, each updated over DTLS: how long it takes, and what of the host a board uses.

    .venv/bin/python bench/fleet.py --count 16

Starts a server of its own on free ports, with the shipped builder, and removes everything afterwards.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from builders.engine import connect
from builders.image import build_shipped_image
from edge.fleet import Fleet
from edge.os_board import HOST
from tests.support.server import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

BOARD = "mps2-an386-os"
TICKS = os.sysconf("SC_CLK_TCK")
SECONDS = 900.0


def main() -> int:
    """Run, and print a line for each phase."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument(
        "--idle", type=float, default=10.0, help="seconds over which the CPU of idle boards is measured"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tinymlaas-fleet-") as folder:
        place = Path(folder)
        server = ServerProcess(place / "data", lwm2m_public_host=HOST, update_seconds="300", update_workers="16")
        server.start()
        fleet = Fleet(place / "boards")
        try:
            with server.client() as api:
                return _measure(api, server, fleet, options.count, options.idle)
        finally:
            for board in fleet.boards():
                board.stop()
            server.stop()


def _measure(api: httpx.Client, server: ServerProcess, fleet: Fleet, count: int, idle: float) -> int:
    engine = connect()
    image = build_shipped_image(engine, print)
    engine.close()
    api.post("/v1/builders", json={"image": image}).raise_for_status()
    builds = [_build(api, model) for model in ("hello-world-sine", "vibration-autoencoder")]

    began = time.monotonic()
    key = server.data_dir / "keys" / "signing-public.pem"
    words = ("boards", "start", "--board", BOARD, "--count", str(count), "--folder", str(fleet.folder))
    command = [sys.executable, "-m", "app.cli", "--server", server.url, *words, "--public-key", str(key)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    names = [board.endpoint for board in fleet.boards()]
    _until(lambda: all(_online(api, name) for name in names), "every board is registered")
    print(f"{count} boards manufactured, started and registered over DTLS in {time.monotonic() - began:.1f} s")

    pids = [pid for board in fleet.boards() if (pid := board.pid) is not None]
    before = [_cpu_seconds(pid) for pid in pids]
    time.sleep(idle)
    used = [(_cpu_seconds(pid) - start) / idle for pid, start in zip(pids, before, strict=True)]
    print(f"  idle, an inference every 100 ms: {statistics.mean(used):.1%} of a CPU per board")
    print(f"  memory per board: {statistics.mean(map(_private_bytes, pids)) / 2**20:.1f} MiB of its own")

    failed = 0
    for build, method, delivery in (
        (builds[0], "sota", "pull"),
        (builds[1], "fota", "push"),
        (builds[0], "fota", "pull"),
    ):
        before = [_cpu_seconds(pid) for pid in pids]
        began = time.monotonic()
        ended = _update_all(api, names, build, method, delivery)
        took = time.monotonic() - began
        spent = sum(_cpu_seconds(pid) - start for pid, start in zip(pids, before, strict=True))
        good = sum(update["state"] == "succeeded" for update in ended)
        failed += count - good
        each = sorted(update["delivery_seconds"] or 0.0 for update in ended)
        print(
            f"{method} by {delivery}: {good} of {count} succeeded in {took:.1f} s; one took "
            f"{statistics.median(each):.1f} s (median), {each[-1]:.1f} s (longest); "
            f"{spent / count:.2f} CPU seconds per board"
        )
        for update in ended:
            if update["state"] != "succeeded":
                print(f"  {update['endpoint']}: {update['state']}: {update['reason']}")
    return 1 if failed else 0


def _build(api: httpx.Client, model: str) -> str:
    build = api.post("/v1/builds", json={"model": model, "board": BOARD}).raise_for_status().json()
    _until(lambda: api.get(f"/v1/builds/{build['id']}").json()["finished_at"] is not None, f"{model} is built")
    name: str = build["id"]
    return name


def _update_all(api: httpx.Client, names: list[str], build: str, method: str, delivery: str) -> list[dict[str, Any]]:
    body = {"build_id": build, "method": method, "delivery": delivery}
    asked = [api.post("/v1/updates", json={**body, "endpoint": name}).raise_for_status().json()["id"] for name in names]
    ended: dict[str, dict[str, Any]] = {}

    def all_ended() -> bool:
        for update in asked:
            if update not in ended:
                found = api.get(f"/v1/updates/{update}").json()
                if found["finished_at"] is not None:
                    ended[update] = found
        return len(ended) == len(asked)

    _until(all_ended, "every update has ended")
    return list(ended.values())


def _online(api: httpx.Client, name: str) -> bool:
    answer = api.get(f"/v1/devices/{name}")
    return answer.status_code == 200 and bool(answer.json()["model_slots"])


def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {SECONDS:g} s: {what}")
        time.sleep(0.2)


def _cpu_seconds(pid: int) -> float:
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _private_bytes(pid: int) -> int:
    """What a process holds for itself: shared libraries and the flash file are not counted."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))


if __name__ == "__main__":
    sys.exit(main())
