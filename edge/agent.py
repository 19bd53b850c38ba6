"""The agent's command line: one board, one LwM2M endpoint, until SIGTERM."""

import argparse
import asyncio
import fcntl
import logging
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from edge.errors import BoardMissingError, JournalError
from edge.flasher import Flasher
from edge.journal import Journal
from edge.mcuboot import load_public_key
from edge.proxy import FlasherProxy
from edge.qemu import MACHINES, QemuBoard
from edge.store import ImageStore
from edge.updater import Updater
from lwm2m.client import Settings
from lwm2m.client.connection import Psk
from lwm2m.client.standard import MAX_LIFETIME, MIN_LIFETIME
from lwm2m.errors import BadRequest

_log = logging.getLogger(__name__)

BOARDS: dict[str, Callable[..., Flasher]] = {name: partial(QemuBoard, board=name) for name in MACHINES}


def main(argv: list[str] | None = None) -> int:
    """Run the agent; the exit code is 0 after SIGTERM or SIGINT."""
    options = _parser().parse_args(argv)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s level=%(levelname)s module=%(name)s %(message)s",
    )
    for noisy in ("coap-device", "httpx", "httpcore", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    options.state_dir.mkdir(parents=True, exist_ok=True)
    with (options.state_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.error("another agent uses this state folder: choose another --state-dir or stop it")
            return 1
        try:
            asyncio.run(_serve(options))
        except (BoardMissingError, JournalError, BadRequest) as error:
            _log.error("cannot start: %s", error)
            return 1
    return 0


async def _serve(options: argparse.Namespace) -> None:
    folder: Path = options.state_dir
    flasher = BOARDS[options.board](folder / "board", boot_deadline=options.boot_deadline)
    updater = Updater(
        Journal(folder / "journal.json"),
        ImageStore(folder / "images"),
        flasher,
        options.public_key,
    )
    psk = Psk(options.psk_identity or options.endpoint, options.psk_key_file) if options.psk_key_file else None
    bind = options.bind or _any_address()
    settings = Settings(options.server, options.endpoint, options.lifetime, bind, psk=psk)
    proxy = FlasherProxy(updater, flasher.board, flasher.slot_size, folder, options.endpoint)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running = asyncio.create_task(proxy.run(settings))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        running.cancel()
        stopping.cancel()
        await asyncio.wait({running, stopping})
        await proxy.stop()
    _log.info("agent stopped")


def _server(text: str) -> str:
    if urlsplit(text).scheme not in {"coap", "coaps"} or not urlsplit(text).hostname:
        raise argparse.ArgumentTypeError(f"{text!r} is not coap://host:port or coaps://host:port")
    return text


def _public_key(path: str) -> bytes:
    try:
        pem = Path(path).read_bytes()
        load_public_key(pem)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(
            f"{path} cannot be used as a PEM public key: {getattr(error, 'strerror', None) or error}. "
            "The server writes its own to DATA_DIR/keys/signing-public.pem: copy that here"
        ) from error
    return pem


def _lifetime(text: str) -> int:
    if not text.isdecimal() or not MIN_LIFETIME <= int(text) <= MAX_LIFETIME:
        raise argparse.ArgumentTypeError(f"the lifetime is at least {MIN_LIFETIME} and at most {MAX_LIFETIME} seconds")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinymlaas edge run",
        description="Stands for a microcontroller in an LwM2M network: verifies, flashes, boots and proves firmware.",
    )
    parser.add_argument(
        "--server", required=True, type=_server, help="LwM2M server, coap://host:port or coaps://host:port"
    )
    parser.add_argument("--endpoint", required=True, help="endpoint name to register under")
    parser.add_argument("--board", required=True, choices=sorted(BOARDS), help="the board behind this agent")
    parser.add_argument(
        "--public-key", required=True, type=_public_key, help="ECDSA P-256 public key of the images, PEM"
    )
    parser.add_argument(
        "--state-dir", required=True, type=Path, help="folder for journal, images and the board's flash"
    )
    parser.add_argument("--lifetime", type=_lifetime, default=60, help="registration lifetime in seconds (default 60)")
    parser.add_argument("--bind", help="local address of the CoAP socket (default: any)")
    parser.add_argument(
        "--psk-key-file", type=_psk_key, help="file with the device's pre-shared key in hex, for a coaps:// server"
    )
    parser.add_argument("--psk-identity", help="identity of the pre-shared key (default: the endpoint name)")
    parser.add_argument("--boot-deadline", type=float, default=60.0, help="seconds for a board to report (default 60)")
    parser.add_argument("--verbose", action="store_true", help="log debug lines too")
    return parser


def _psk_key(path: str) -> bytes:
    """The key in a file: on the command line every user of the machine could read it."""
    try:
        key = bytes.fromhex(Path(path).read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{path} holds no key in hex: {error}") from error
    if not key:
        raise argparse.ArgumentTypeError(f"{path} is empty")
    return key


def _any_address() -> str:
    """The address that stands for all of this machine's. Where no IPv6 is routed, aiocoap refuses to bind `::`."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect(("::", 9))  # sends nothing; fails where there is no route
    except OSError:
        return "0.0.0.0"  # noqa: S104 - a device must be reachable at whatever address its server sees
    return "::"
