"""Measures the LwM2M server beside plain aiocoap doing the same work, in one run: `python bench/lwm2m.py`.

Plain aiocoap is a site with one resource that reads the query of a registration, keeps it in a dictionary and answers
2.01 with a location; a resource that holds 4 MiB; and a client that PUTs 4 MiB. Both servers run in a process of their
own; the generator, the puller and the device that is pushed to are the same for both.
"""

import argparse
import asyncio
import hashlib
import json
import os
import secrets
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import aiocoap
import aiocoap.resource
from aiocoap import CON, Context, Message
from aiocoap.numbers.codes import Code

sys.path.insert(0, str(FilePath(__file__).parents[1]))

from lwm2m.paths import Path
from lwm2m.registration import Registrations, parse_register
from lwm2m.server import Lwm2mServer

SIZE = 4 << 20
CLIENTS = 20_000
OUTSTANDING = (1, 64, 512)
SOCKETS = 16
RETRANSMIT_SECONDS = 2.0
MAX_SENDS = 5
LINKS = b'</>;rt="oma.lwm2m";ct="60 110 112 11542",</1>;ver=1.1,</1/0>,</3>;ver=1.2,</3/0>,</5>;ver=1.1,</5/0>'
PACKAGE = bytes(range(256)) * (SIZE // 256)
SHA = hashlib.sha256(PACKAGE).hexdigest()


# --- the two servers, each in a process of its own ---------------------------------------------------------------


class HeldPackage:
    """The package as a source of both servers."""

    size = SIZE
    etag = b"v1"

    async def open(self, _token: str) -> "HeldPackage":
        """Any token is this package."""
        return self

    async def read(self, offset: int, length: int) -> bytes:
        """The bytes."""
        return PACKAGE[offset : offset + length]


class PlainRegistrations(aiocoap.resource.Resource):
    """The least that a registration takes."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, tuple[str, dict[str, str], bytes, Any, float]] = {}
        self.by_endpoint: dict[str, str] = {}

    async def render_post(self, request: Any) -> Any:
        """Keep it and answer with a location."""
        query = dict(each.partition("=")[::2] for each in request.opt.uri_query)
        location = secrets.token_hex(5)
        self.kept.pop(self.by_endpoint.get(query["ep"], ""), None)
        self.kept[location] = (query["ep"], query, request.payload, request.remote, time.time())
        self.by_endpoint[query["ep"]] = location
        return Message(code=Code.CREATED, location_path=("rd", location))


class PlainPackage(aiocoap.resource.Resource):
    """4 MiB; aiocoap cuts the blocks."""

    async def render_get(self, _request: Any) -> Any:
        """All of it."""
        return Message(payload=PACKAGE, content_format=42)


async def serve_ours() -> None:
    """The server of this project."""
    async with Lwm2mServer(port=0, packages=HeldPackage()) as server:
        async for _ in commands(server.port):
            began = time.perf_counter()
            (await server.push("device", Path.of(5, 0, 0), PACKAGE)).require_success()
            print(time.perf_counter() - began, flush=True)


async def serve_plain() -> None:
    """Aiocoap alone."""
    site, registrations = aiocoap.resource.Site(), PlainRegistrations()
    site.add_resource(["rd"], registrations)
    site.add_resource(["fw", "t"], PlainPackage())
    context = await Context.create_server_context(site, bind=("127.0.0.1", 0), transports=["udp6"])
    transport = context.request_interfaces[0].token_interface.message_interface.transport
    async for _ in commands(transport.get_extra_info("socket").getsockname()[1]):
        remote = registrations.kept[registrations.by_endpoint["device"]][3]
        message = Message(code=Code.PUT, uri_path=("5", "0", "0"), payload=PACKAGE, content_format=42)
        message.remote = remote
        began = time.perf_counter()
        answer = await context.request(message).response
        assert answer.code.is_successful(), answer.code  # noqa: S101 - a measurement of a failure is none
        print(time.perf_counter() - began, flush=True)
    await context.shutdown()


async def commands(port: int) -> Any:
    """Tell the port, then yield at each line until standard input ends."""
    print(port, flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        yield None


@dataclass
class ServerProcess:
    """One of the two, from outside."""

    process: asyncio.subprocess.Process
    port: int

    @property
    def resident(self) -> int:
        """Bytes of memory in use."""
        pages = int(FilePath(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    async def push(self) -> float:
        """Seconds for 4 MiB to the registered device."""
        assert self.process.stdin is not None  # noqa: S101 - it is a pipe
        assert self.process.stdout is not None  # noqa: S101 - it is a pipe
        self.process.stdin.write(b"push\n")
        return float(await asyncio.wait_for(self.process.stdout.readline(), 120))


@asynccontextmanager
async def running(kind: str) -> Any:
    """Start one of the two and end it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--serve", kind, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    try:
        yield ServerProcess(process, int(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


# --- registrations -----------------------------------------------------------------------------------------------


class Generator(asyncio.DatagramProtocol):
    """Sends prepared registrations from one socket and matches answers by message id."""

    def __init__(self) -> None:
        self.waiting: dict[int, asyncio.Future[None]] = {}
        self.next_id = secrets.randbelow(1 << 16)
        self.transport: Any = None
        self.resent = 0

    def connection_made(self, transport: Any) -> None:
        """Asyncio: the socket is there."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """An answer."""
        del addr
        future = self.waiting.pop(int.from_bytes(data[2:4], "big"), None)
        if future is not None and not future.done():
            if data[1] != Code.CREATED:
                future.set_exception(RuntimeError(f"answered {data[1]:#x}"))
            else:
                future.set_result(None)

    async def register(self, endpoint: str) -> float:
        """Seconds until the answer."""
        self.next_id = message_id = (self.next_id + 1) % (1 << 16)
        message = Message(code=Code.POST, _mtype=CON, _mid=message_id, payload=LINKS, content_format=40)
        message.token = message_id.to_bytes(2, "big")
        message.opt.uri_path = ("rd",)
        message.opt.uri_query = (f"ep={endpoint}", "lt=86400", "lwm2m=1.1", "b=U")
        data = message.encode()
        future = self.waiting[message_id] = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        for _ in range(MAX_SENDS):
            self.transport.sendto(data)
            done, _pending = await asyncio.wait({future}, timeout=RETRANSMIT_SECONDS)
            if done:
                future.result()
                return time.perf_counter() - began
            self.resent += 1
        raise RuntimeError("no answer to a registration")


@dataclass
class Load:
    """What a round of registrations took."""

    seconds: float
    latencies: list[float] = field(repr=False)
    resent: int

    @property
    def rate(self) -> float:
        """Registrations in a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, part: float) -> float:
        """Milliseconds."""
        return sorted(self.latencies)[int(part * (len(self.latencies) - 1))] * 1000


async def register(port: int, count: int, outstanding: int, prefix: str) -> Load:
    """So many new endpoints, so many at a time."""
    loop = asyncio.get_running_loop()
    generators: list[Generator] = []
    for _ in range(min(SOCKETS, outstanding)):
        _, protocol = await loop.create_datagram_endpoint(Generator, remote_addr=("127.0.0.1", port))
        generators.append(protocol)
    numbers: Iterator[int] = iter(range(count))
    latencies: list[float] = []

    async def worker(generator: Generator) -> None:
        latencies.extend([await generator.register(f"{prefix}-{number:06d}") for number in numbers])

    began = time.perf_counter()
    await asyncio.gather(*(worker(generators[index % len(generators)]) for index in range(outstanding)))
    seconds = time.perf_counter() - began
    for generator in generators:
        generator.transport.close()
    return Load(seconds, latencies, sum(generator.resent for generator in generators))


# --- packages ----------------------------------------------------------------------------------------------------


class Device(aiocoap.resource.Resource):
    """Takes a push block by block and keeps its hash."""

    def __init__(self) -> None:
        super().__init__()
        self.hash = hashlib.sha256()

    async def needs_blockwise_assembly(self, _request: Any) -> bool:
        """The blocks are taken one by one."""
        return False

    async def render_put(self, request: Any) -> Any:
        """One block."""
        block = request.opt.block1
        if block.block_number == 0:
            self.hash = hashlib.sha256()
        self.hash.update(request.payload)
        code = Code.CONTINUE if block.more else Code.CHANGED
        return Message(code=code, block1=(block.block_number, block.more, block.size_exponent))


async def push(server: ServerProcess) -> float:
    """Seconds for 4 MiB to a device that registered there."""
    site, device = aiocoap.resource.Site(), Device()
    site.add_resource(["5", "0", "0"], device)
    context = await Context.create_server_context(site, bind=("127.0.0.1", 0), transports=["udp6"])
    message = Message(code=Code.POST, uri=f"coap://127.0.0.1:{server.port}/rd?ep=device&lt=300&lwm2m=1.1&b=U")
    message.payload, message.opt.content_format = LINKS, 40
    assert (await context.request(message).response).code == Code.CREATED  # noqa: S101 - nothing to measure otherwise
    seconds = await server.push()
    assert device.hash.hexdigest() == SHA  # noqa: S101 - a wrong copy has no speed
    await context.shutdown()
    return seconds


async def pull(server: ServerProcess) -> float:
    """Seconds for 4 MiB by aiocoap's own block-wise GET."""
    context = await Context.create_client_context(transports=["udp6"])
    began = time.perf_counter()
    message = Message(code=Code.GET, uri=f"coap://127.0.0.1:{server.port}/fw/t")
    answer = await context.request(message).response
    seconds = time.perf_counter() - began
    assert hashlib.sha256(answer.payload).hexdigest() == SHA  # noqa: S101 - a wrong copy has no speed
    await context.shutdown()
    return seconds


# --- the run -----------------------------------------------------------------------------------------------------


def record_bytes(count: int) -> float:
    """Bytes that one registration takes in the server's own table, without the message layer."""
    query = ("lt=86400", "lwm2m=1.1", "b=U")
    tracemalloc.start()
    registrations = Registrations()
    for number in range(count):
        registrations.register(
            parse_register(
                (f"ep=memory-{number:06d}", *query),
                bytes(LINKS),
                40,
                address=f"127.0.0.1:{number + 1024}",
                registration_id=secrets.token_hex(5),
                now=time.time(),
            )
        )
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used / count


async def measure(count: int, clients: int) -> list[tuple[str, float, float, str, str]]:
    """Rows of name, ours, plain, unit and remark; the two take turns, so that a busy machine hits both."""
    rows: list[tuple[str, float, float, str, str]] = []
    async with running("ours") as ours, running("plain") as plain:
        for outstanding in OUTSTANDING:
            loads = [
                await register(each.port, count, outstanding, f"{name}{outstanding}")
                for name, each in (("o", ours), ("p", plain))
            ]
            remark = " | ".join(
                f"p50 {load.percentile(0.5):.1f} p99 {load.percentile(0.99):.1f} ms, {load.resent} resent"
                for load in loads
            )
            rows.append((f"registrations, {outstanding} outstanding", loads[0].rate, loads[1].rate, "/s", remark))
        mebibytes = SIZE / (1 << 20)
        for name, transfer in (("push 4 MiB", push), ("pull 4 MiB", pull)):
            seconds = [[await transfer(each) for each in (ours, plain)] for _ in range(2)]
            speeds = [mebibytes / min(times) for times in zip(*seconds, strict=True)]
            rows.append((name, speeds[0], speeds[1], "MiB/s", "best of 2, SHA-256 checked"))
    used: list[float] = []
    for kind in ("ours", "plain"):
        async with running(kind) as server:
            before = server.resident
            await register(server.port, clients, 64, "memory")
            used.append((server.resident - before) / clients)
    remark = f"{clients} clients; aiocoap keeps each exchange 247 s"
    rows.append(("resident memory per client", used[0], used[1], "B", remark))
    rows.append(("  of it the registration", record_bytes(clients), float("nan"), "B", "traced, no message layer"))
    return rows


def main() -> None:
    """Run one server, or the measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", choices=("ours", "plain"), help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=5000, help="registrations in each round")
    parser.add_argument("--clients", type=int, default=CLIENTS, help="clients for the memory measurement")
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve_ours() if arguments.serve == "ours" else serve_plain())
        return
    began = time.monotonic()
    rows = asyncio.run(measure(arguments.count, arguments.clients))
    if arguments.json:
        print(json.dumps([dict(zip(("name", "ours", "plain", "unit", "remark"), row, strict=True)) for row in rows]))
        return
    print(f"{'':34}{'ours':>10}{'aiocoap':>10}{'ratio':>8}  unit   ours | aiocoap")
    for name, ours, plain, unit, remark in rows:
        plain_text, ratio = (f"{plain:,.1f}", f"{ours / plain:.2f}") if plain == plain else ("-", "-")  # noqa: PLR0124 - NaN
        print(f"{name:34}{ours:>10,.1f}{plain_text:>10}{ratio:>8}  {unit:6} {remark}")
    print(f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
