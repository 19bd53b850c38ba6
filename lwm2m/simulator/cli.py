"""The simulator's command line: `python -m lwm2m.simulator`, and `tinymlaas simulate`."""

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict

from lwm2m.errors import Lwm2mError
from lwm2m.simulator.device import Profile
from lwm2m.simulator.faults import Fault
from lwm2m.simulator.fleet import Counts, Simulator

DEFAULT_AWAKE = 93.0  # seconds: CoAP's MAX_TRANSMIT_WAIT, for which servers count a device as awake


def main(argv: Sequence[str]) -> int:
    """Simulate until interrupted, or for --seconds; 1 when not all devices were registered at any time."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.ERROR, format="%(levelname)s %(message)s")
    # The library logs a protocol error of every faulty device; the counts tell of them.
    logging.getLogger("coap-device").setLevel(logging.CRITICAL)
    try:
        return asyncio.run(_run(arguments))
    except Lwm2mError as error:
        sys.stderr.write(f"{error}\n")
        return 2


async def _run(arguments: argparse.Namespace) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    simulator = Simulator(
        arguments.server,
        arguments.devices,
        faults=arguments.fault,
        share=arguments.share,
        seed=arguments.seed,
        queue=arguments.queue,
        lifetime=arguments.lifetime,
        prefix=arguments.prefix,
        rate=arguments.rate,
        profile=Profile(version=arguments.version, telemetry_seconds=arguments.telemetry),
        key=arguments.key,
        bind="::" if arguments.server.partition("://")[2].startswith("[") else arguments.bind,
    )
    complete = False
    loop = asyncio.get_running_loop()
    ends = None if arguments.seconds is None else loop.time() + arguments.seconds
    async with simulator:
        while not stop.is_set() and (ends is None or loop.time() < ends):
            wait = arguments.every if ends is None else min(arguments.every, max(0.0, ends - loop.time()))
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait({stopped}, timeout=wait)
            stopped.cancel()
            simulator.check()
            counts = simulator.counts()
            complete = complete or counts.registered == counts.devices
            _tell(counts, as_json=arguments.json)
        _tell(counts := simulator.counts(), as_json=arguments.json)
    if not counts.registered and not complete:
        sys.stderr.write(
            f"No device could register at {arguments.server}: start a server there (`tinymlaas serve`), or name its "
            "CoAP port with --server.\n"
        )
    return 0 if complete or counts.registered == counts.devices else 1


def _tell(counts: Counts, *, as_json: bool) -> None:
    sys.stdout.write((json.dumps(asdict(counts)) if as_json else str(counts)) + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    faults = "\n".join(f"  {fault:18} {fault.meaning}" for fault in Fault)
    parser = argparse.ArgumentParser(
        prog="tinymlaas simulate",
        description="Simulate LwM2M devices over UDP, with Objects 1, 3, 4, 5, 9 and a thermometer (3303).",
        epilog=f"faults:\n{faults}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--server", default="coap://127.0.0.1:5683", help="coap:// or coaps:// address of the server")
    parser.add_argument("--devices", type=_count, default=1, help="how many")
    parser.add_argument(
        "--queue",
        type=float,
        nargs="?",
        const=DEFAULT_AWAKE,
        metavar="SECONDS",
        help=f"queue mode: awake for so long after each message ({DEFAULT_AWAKE:g})",
    )
    parser.add_argument("--fault", type=_fault, action="append", default=[], metavar="NAME", help="repeat for more")
    parser.add_argument("--share", type=float, default=1.0, help="share of the devices that have a fault (1.0)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same devices")
    parser.add_argument("--lifetime", type=_count, default=300, help="seconds")
    parser.add_argument("--prefix", default="sim", help="endpoints are PREFIX-00000 and so on")
    parser.add_argument("--rate", type=float, default=200.0, help="devices that start in a second")
    parser.add_argument("--version", default="1.0.0", help="firmware version before any update")
    parser.add_argument("--telemetry", type=float, metavar="SECONDS", help="change, notify and Send a value so often")
    parser.add_argument(
        "--key", type=_key, metavar="HEX", help="for coaps://: the key of all; identities are endpoints"
    )
    parser.add_argument("--bind", default="127.0.0.1", help="local address; use 0.0.0.0 for a server elsewhere")
    parser.add_argument("--seconds", type=float, help="end after so long; otherwise at Ctrl-C")
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two lines of progress")
    parser.add_argument("--json", action="store_true", help="progress as JSON lines")
    parser.add_argument("--verbose", action="store_true", help="log what each device does")
    return parser


def _fault(text: str) -> Fault:
    try:
        return Fault(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no fault: choose from {', '.join(Fault)}") from None


def _key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if not key:
        raise argparse.ArgumentTypeError("write the key as hexadecimal digits")
    return key


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)
