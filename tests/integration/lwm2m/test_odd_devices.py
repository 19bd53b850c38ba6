"""Devices as they are, and not as they should be: each oddity that was seen, against the server and the update machine.

The devices are written on aiocoap or on bare datagrams; the machine is driven as the application drives it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiocoap
import pytest
from aiocoap.numbers.codes import Code
from aiocoap.numbers.types import Type

from lwm2m.errors import CodecError, DeviceTimeout, Lwm2mError, NotRegistered, Rejected
from lwm2m.events import Deregistered, Notification, Reason, Registered
from lwm2m.events import Event as ServerEvent
from lwm2m.firmware import FirmwareState, UpdateResult
from lwm2m.firmware_update import step
from lwm2m.nodes import Instance, Resource
from lwm2m.paths import Path
from lwm2m.server import Lwm2mServer
from lwm2m.update_progress import Delivery, Finish, Notified, Started, Tick, Timing, UpdateState
from lwm2m.update_progress import Registered as DeviceRegistered
from lwm2m.update_record import Done, Event, Failed, FirmwareUpdate, Observed, Operation, new_update
from lwm2m.values import ResourceType

PACKAGE = bytes(range(256)) * 16
STATE, RESULT, VERSION = Path.of(5, 0, 3), Path.of(5, 0, 5), Path.of(3, 0, 3)
AWAKE_TIME = 0.3
TIMING = Timing(
    pending=20, downloading=20, downloaded=20, updating=20, verifying=20, poll=0.1, settle=0.2, backoff=0.05
)


class Driver:
    """Carries an update out over a server, step by step, and remembers the states that it went through."""

    def __init__(self, server: Lwm2mServer) -> None:
        self._server = server
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self.states: list[UpdateState] = []
        self.operations: list[Operation] = []

    async def run(self) -> Finish:
        update = new_update("2.0", Delivery.PUSH, time.time(), timing=TIMING)
        self._queue.put_nowait(Started(time.time()))
        forget = self._server.events.listen(self._heard)
        try:
            async with asyncio.timeout(20):
                return await self._converse(update)
        finally:
            forget()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _converse(self, update: FirmwareUpdate) -> Finish:
        while True:
            try:
                event = await asyncio.wait_for(self._queue.get(), 0.05)
            except TimeoutError:
                event = Tick(time.time())
            update, actions = step(update, event)
            if not self.states or self.states[-1] is not update.state:
                self.states.append(update.state)
            for action in actions:
                if isinstance(action, Finish):
                    return action
                self.operations.append(action)
                task = asyncio.create_task(self._perform(action))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _heard(self, event: ServerEvent) -> None:
        if isinstance(event, Registered):
            self._queue.put_nowait(DeviceRegistered(time.time()))
        elif isinstance(event, Notification):
            self._queue.put_nowait(Notified(time.time()))

    async def _perform(self, operation: Operation) -> None:
        try:
            outcome = await self._carry_out(operation)
        except (Lwm2mError, KeyError) as error:  # KeyError: an instance without its state or result
            outcome = Failed(time.time(), operation, repr(error), rejected=isinstance(error, Rejected))
        self._queue.put_nowait(outcome)

    async def _carry_out(self, operation: Operation) -> Event:
        server = self._server
        match operation:
            case Operation.READ:
                return await self._read()
            case Operation.OBSERVE:
                for path in (STATE, RESULT):
                    (await server.observe("dev1", path, timeout=2)).require_success()
            case Operation.WRITE_PACKAGE:
                (await server.push("dev1", Path.of(5, 0, 0), PACKAGE, timeout=5)).require_success()
            case Operation.RESET:
                empty = Resource(1, ResourceType.STRING, "")
                (await server.write("dev1", Path.of(5, 0, 1), empty, timeout=2)).require_success()
            case Operation.EXECUTE_UPDATE:
                (await server.execute("dev1", Path.of(5, 0, 2), timeout=2)).require_success()
            case _:
                raise AssertionError(f"no test needs {operation}")
        return Done(time.time(), operation)

    async def _read(self) -> Observed:
        firmware = (await self._server.read("dev1", Path.of(5, 0), timeout=2)).require_success().content
        running = (await self._server.read("dev1", VERSION, timeout=2)).require_success().content
        assert isinstance(firmware, Instance)
        assert isinstance(running, Resource)
        state, result = (firmware[number].value for number in (3, 5))
        return Observed(time.time(), FirmwareState(state), int(result), str(running.value))


class Board:
    """Object 5 and the version of Object 3 on a raw device; a test replaces the parts that are odd."""

    def __init__(self, device: Any) -> None:
        self.device = device
        self.state, self.result, self.version = 0, 0, "1.0"
        self.executed = 0
        self.on_package: Callable[[], None] = self.take
        self.on_execute: Callable[[], None] = self.install
        self.query = "ep=dev1&lt=300&lwm2m=1.1"
        self.rebooting: set[asyncio.Task[Any]] = set()
        self._upload = device.upload
        device.uploads["/5/0/0"] = b""
        device.upload = self.upload
        device.answers |= {
            ("GET", "/5/0"): lambda _: content(bytes((0xC1, 3, self.state, 0xC1, 5, self.result)), 11542),
            ("GET", "/5/0/3"): lambda _: content(str(self.state).encode(), 0),
            ("GET", "/5/0/5"): lambda _: content(str(self.result).encode(), 0),
            ("GET", "/3/0/3"): lambda _: content(self.version.encode(), 0),
            ("PUT", "/5/0/1"): self.reset,
            ("POST", "/5/0/2"): self.execute,
        }

    def upload(self, path: str, request: aiocoap.Message) -> aiocoap.Message:
        answer = self._upload(path, request)
        if answer.code == Code.CHANGED:
            self.on_package()
        return answer

    def take(self) -> None:
        self.state, self.result = 2, 0

    def reset(self, _: aiocoap.Message) -> aiocoap.Message:
        self.state, self.result = 0, 0
        return aiocoap.Message(code=Code.CHANGED)

    def execute(self, _: aiocoap.Message) -> aiocoap.Message:
        if self.state != 2:
            return aiocoap.Message(code=Code.METHOD_NOT_ALLOWED)
        self.executed += 1
        self.on_execute()
        return aiocoap.Message(code=Code.CHANGED)

    def install(self) -> None:
        self.state = 3
        task = asyncio.create_task(self.reboot())
        self.rebooting.add(task)

    async def reboot(self) -> None:
        await asyncio.sleep(0.1)
        self.state, self.result, self.version = 0, 1, "2.0"
        await self.device.register(self.query)


def content(payload: bytes, number: int) -> aiocoap.Message:
    return aiocoap.Message(code=Code.CONTENT, payload=payload, content_format=number)


@pytest.fixture
async def server() -> AsyncIterator[Lwm2mServer]:
    async with Lwm2mServer(port=0, grace=0, awake_time=AWAKE_TIME) as running:
        yield running


@pytest.fixture
async def board(device: Any) -> AsyncIterator[Board]:
    board = Board(device)
    yield board
    for task in board.rebooting:
        task.cancel()
    await asyncio.gather(*board.rebooting, return_exceptions=True)


@pytest.fixture
def driver(server: Lwm2mServer) -> Driver:
    return Driver(server)


class Bare:
    """A device on a bare socket: what it sends and gets are single datagrams."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: Any = None
        self._mid = 100

    @classmethod
    async def open(cls, port: int) -> "Bare":
        bare = cls()

        class Protocol(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, _addr: object) -> None:
                bare.inbox.put_nowait(data)

        loop = asyncio.get_running_loop()
        bare.transport, _ = await loop.create_datagram_endpoint(Protocol, remote_addr=("127.0.0.1", port))
        return bare

    def send(self, mtype: Type, code: int, token: bytes = b"", mid: int | None = None, **options: Any) -> None:
        self._mid += 1
        message = aiocoap.Message(code=Code(code), **options)
        message.mtype, message.mid, message.token = mtype, self._mid if mid is None else mid, token
        self.transport.sendto(message.encode())

    async def receive(self) -> Any:
        async with asyncio.timeout(5):
            return aiocoap.Message.decode(await self.inbox.get())


@pytest.fixture
async def bare(server: Lwm2mServer) -> AsyncIterator[Bare]:
    opened = await Bare.open(server.port)
    yield opened
    opened.transport.close()


async def heard_value(server: Lwm2mServer, notify: Callable[[], None]) -> object:
    with server.events.subscribe() as events:
        notify()
        async with asyncio.timeout(5):
            while not isinstance(event := await events.get(), Notification):
                pass
    return event.node.value


async def test_a_device_that_moves_to_another_port(server: Lwm2mServer, device: Any, board: Board, bare: Bare) -> None:
    location = await device.register(board.query)
    await server.observe("dev1", STATE)
    token = server.observations("dev1")[0].token

    bare.send(Type.CON, Code.POST, b"up", uri_path=location.split("/")[1:])
    assert (await bare.receive()).code == Code.CHANGED
    address = bare.transport.get_extra_info("sockname")
    assert server.registration("dev1").address == f"{address[0]}:{address[1]}"

    # Requests go to the new port, and what is observed is heard from there, under the old token.
    reading = asyncio.create_task(server.read("dev1", VERSION))
    request = await bare.receive()
    bare.send(Type.ACK, Code.CONTENT, request.token, request.mid, payload=b"1.0", content_format=0)
    assert (await reading).content == Resource(3, ResourceType.STRING, "1.0")
    value = await heard_value(
        server, lambda: bare.send(Type.NON, Code.CONTENT, token, observe=50, payload=b"2", content_format=0)
    )
    assert value == 2


async def test_a_device_that_sleeps(server: Lwm2mServer, device: Any, board: Board, driver: Driver) -> None:
    board.query += "&Q"
    location = await device.register(board.query)
    await asyncio.sleep(AWAKE_TIME + 0.05)
    assert server.is_asleep("dev1")
    updating = asyncio.create_task(driver.run())
    await asyncio.sleep(0.3)
    assert device.requests == []
    await device.send(Code.POST, location)
    finish = await updating
    assert finish.state is UpdateState.SUCCEEDED
    assert device.uploads["/5/0/0"] == PACKAGE


async def test_a_device_that_expires(server: Lwm2mServer, device: Any, board: Board, driver: Driver) -> None:
    def check() -> None:
        board.state = 1

    board.on_package = check  # it still checks the package when its lifetime ends
    heard: list[ServerEvent] = []
    server.events.listen(heard.append)
    await device.register("ep=dev1&lt=1")
    updating = asyncio.create_task(driver.run())
    await asyncio.sleep(2.2)
    assert [event.reason for event in heard if isinstance(event, Deregistered)] == [Reason.EXPIRED]
    with pytest.raises(NotRegistered):
        server.registration("dev1")
    assert server.observations() == []
    assert not updating.done()

    board.on_package = board.take
    board.take()  # it had the package all along
    await device.register(board.query)
    assert (await updating).state is UpdateState.SUCCEEDED


async def test_a_device_that_registers_again_in_mid_update(
    server: Lwm2mServer, device: Any, board: Board, driver: Driver
) -> None:
    await device.register(board.query)
    again: list[asyncio.Task[Any]] = []

    def reboots() -> None:
        board.state, board.result = 0, 0  # the package is lost
        board.on_package = board.take
        again.append(asyncio.create_task(device.register(board.query)))

    board.on_package = reboots
    finish = await driver.run()
    assert finish.state is UpdateState.SUCCEEDED
    assert len(again) == 1
    assert driver.operations.count(Operation.WRITE_PACKAGE) == 2
    assert driver.operations.count(Operation.OBSERVE) >= 2
    assert len(server.registrations()) == 1


async def test_a_device_that_answers_late(server: Lwm2mServer, bare: Bare) -> None:
    bare.send(Type.CON, Code.POST, b"r", uri_path=("rd",), uri_query=("ep=dev1",), payload=b"</3/0>")
    assert (await bare.receive()).code == Code.CREATED
    reading = asyncio.create_task(server.read("dev1", VERSION))
    request = await bare.receive()
    bare.send(Type.ACK, Code.EMPTY, mid=request.mid)
    await asyncio.sleep(0.5)
    assert not reading.done()
    bare.send(Type.CON, Code.CONTENT, request.token, mid=77, payload=b"1.0", content_format=0)
    assert (await reading).content == Resource(3, ResourceType.STRING, "1.0")
    acknowledged = await bare.receive()
    assert (acknowledged.mtype, acknowledged.mid, acknowledged.code) == (Type.ACK, 77, Code.EMPTY)


@pytest.mark.parametrize("kind", [Type.NON, Type.CON])
async def test_a_device_that_answers_and_never_acknowledges_is_asked_again_at_once(
    server: Lwm2mServer, bare: Bare, kind: Type
) -> None:
    """As coap-node does with what it cannot encode: a NON of the request's message id, and no ACK."""
    bare.send(Type.CON, Code.POST, b"r", uri_path=("rd",), uri_query=("ep=dev1",), payload=b"</3/0>")
    await bare.receive()
    reading = asyncio.create_task(server.read("dev1", VERSION))
    request = await bare.receive()
    refusal = b"No matching format found"
    bare.send(kind, Code.INTERNAL_SERVER_ERROR, request.token, request.mid, payload=refusal)
    assert (await reading).diagnostic == refusal.decode()
    if kind is Type.CON:
        assert (await bare.receive()).mtype is Type.ACK
    reading = asyncio.create_task(server.read("dev1", VERSION, timeout=1))
    second = await bare.receive()
    assert second.mid != request.mid  # the first one is not repeated
    bare.send(Type.ACK, Code.CONTENT, second.token, second.mid, payload=b"1.0", content_format=0)
    assert (await reading).content == Resource(3, ResourceType.STRING, "1.0")


async def test_an_answer_after_the_deadline_disturbs_no_later_request(server: Lwm2mServer, bare: Bare) -> None:
    bare.send(Type.CON, Code.POST, b"r", uri_path=("rd",), uri_query=("ep=dev1",), payload=b"</3/0>")
    await bare.receive()
    reading = asyncio.create_task(server.read("dev1", VERSION, timeout=0.3))
    first = await bare.receive()
    bare.send(Type.ACK, Code.EMPTY, mid=first.mid)
    with pytest.raises(DeviceTimeout):
        await reading
    reading = asyncio.create_task(server.read("dev1", VERSION))
    second = await bare.receive()
    bare.send(Type.CON, Code.CONTENT, first.token, mid=77, payload=b"late", content_format=0)
    assert (await bare.receive()).mtype is Type.RST
    bare.send(Type.ACK, Code.CONTENT, second.token, second.mid, payload=b"1.0", content_format=0)
    assert (await reading).content == Resource(3, ResourceType.STRING, "1.0")


@pytest.mark.parametrize(
    ("payload", "number"),
    [
        (b"1.0", 0),
        (b"\xc3\x031.0", 11542),
        (b"\xc3\x031.0", 1542),
        (b'[{"bn":"/3/0/","n":"3","vs":"1.0"}]', 110),
        (b"\x81\xa2!f/3/0/3\x03c1.0", 112),
        (b'{"bn":"/3/0/3","e":[{"sv":"1.0"}]}', 11543),
        (b'{"bn":"/3/0/3","e":[{"sv":"1.0"}]}', 1543),
        (b"c1.0", 60),
        (b"\xa1\x83\x03\x00\x03c1.0", 11544),
        (b"1.0", None),
    ],
)
async def test_a_device_that_answers_in_another_format(
    server: Lwm2mServer, device: Any, payload: bytes, number: int | None
) -> None:
    await device.register()
    device.answers["GET", "/3/0/3"] = lambda _: aiocoap.Message(
        code=Code.CONTENT, payload=payload, content_format=number
    )
    for accept in (None, 110, 11542):
        response = await server.read("dev1", VERSION, accept=accept)
        assert response.content == Resource(3, ResourceType.STRING, "1.0")


async def test_a_device_that_answers_in_another_format_is_updated(device: Any, board: Board, driver: Driver) -> None:
    await device.register(board.query)
    device.answers["GET", "/5/0"] = lambda _: content(
        f'[{{"bn":"/5/0/","n":"3","v":{board.state}}},{{"n":"5","v":{board.result}}}]'.encode(), 110
    )
    device.answers["GET", "/3/0/3"] = lambda _: content(b"\xc3\x03" + board.version.encode(), 1542)
    assert (await driver.run()).state is UpdateState.SUCCEEDED


@pytest.mark.parametrize(
    ("payload", "number"),
    [
        (b"\xff" * 40, 11542),
        (b"\xc8\x03\xff", 11542),
        (b"[{", 110),
        (b'[{"n":"/9/9/9","v":1}]', 110),
        (b"\x9f\x9f\x9f", 112),
        (b"\xfe\xff", 0),
        (b"1.0", 9999),
        (b"", 60),
    ],
)
async def test_a_device_that_sends_garbage(server: Lwm2mServer, device: Any, payload: bytes, number: int) -> None:
    await device.register()
    device.answers["GET", "/3/0/3"] = lambda _: content(payload, number)
    with pytest.raises(CodecError):
        await server.read("dev1", VERSION)
    device.answers["GET", "/3/0/3"] = lambda _: content(b"1.0", 0)
    assert (await server.read("dev1", VERSION)).success


async def test_a_device_that_sends_garbage_for_a_while_is_updated_all_the_same(
    device: Any, board: Board, driver: Driver
) -> None:
    await device.register(board.query)
    honest = device.answers["GET", "/5/0"]
    garbage = [b"\xff" * 40, b"", b"\xc8\x03\xff"]
    device.answers["GET", "/5/0"] = lambda request: content(garbage.pop(), 11542) if garbage else honest(request)
    assert (await driver.run()).state is UpdateState.SUCCEEDED
    assert garbage == []


async def test_a_device_that_sends_datagrams_of_garbage_stays_registered(
    server: Lwm2mServer, bare: Bare, caplog: pytest.LogCaptureFixture
) -> None:
    bare.send(Type.CON, Code.POST, b"r", uri_path=("rd",), uri_query=("ep=dev1",), payload=b"</3/0>")
    await bare.receive()
    for junk in (
        b"",
        b"\x00",
        b"\xff" * 1200,
        b"\x40\x45\x00\x01\xff",
        b"\x48\x45\x00\x01short",
        b"\x70\x00\x00\x00",
        b"\x40\x02\x00\x09\xb2\xff\xfe",
    ):
        bare.transport.sendto(junk)
    bare.send(Type.NON, Code.CONTENT, b"unknown!", observe=1, payload=b"1")
    reading = asyncio.create_task(server.read("dev1", VERSION))
    while not (request := await bare.receive()).code.is_request():
        assert request.mtype in (Type.RST, Type.ACK)
    bare.send(Type.ACK, Code.CONTENT, request.token, request.mid, payload=b"1.0", content_format=0)
    assert (await reading).success
    assert not [entry for entry in caplog.records if entry.exc_info]


async def test_a_device_that_starts_object_5_in_state_1(device: Any, board: Board, driver: Driver) -> None:
    board.state = 1
    await device.register(board.query)
    finish = await driver.run()
    assert finish.state is UpdateState.SUCCEEDED
    assert driver.operations.count(Operation.RESET) == 1
    assert driver.operations.index(Operation.RESET) < driver.operations.index(Operation.WRITE_PACKAGE)


async def test_a_device_that_starts_object_5_in_state_1_and_cannot_be_reset(
    device: Any, board: Board, driver: Driver
) -> None:
    board.state = 1
    device.answers["PUT", "/5/0/1"] = lambda _: aiocoap.Message(code=Code.BAD_REQUEST)
    await device.register(board.query)
    assert (await driver.run()).state is UpdateState.SUCCEEDED
    assert driver.operations.count(Operation.RESET) == 1


async def test_a_device_that_jumps_from_state_0_to_2(device: Any, board: Board, driver: Driver) -> None:
    shown: list[int] = []
    honest = device.answers["GET", "/5/0"]
    device.answers["GET", "/5/0"] = lambda request: (shown.append(board.state), honest(request))[1]
    await device.register(board.query)
    assert (await driver.run()).state is UpdateState.SUCCEEDED
    assert 1 not in shown
    assert board.executed == 1
    assert driver.states == [
        UpdateState.PENDING,
        UpdateState.DOWNLOADING,
        UpdateState.DOWNLOADED,
        UpdateState.UPDATING,
        UpdateState.VERIFYING,
        UpdateState.SUCCEEDED,
    ]


async def test_a_device_that_answers_2_04_and_rejects(device: Any, board: Board, driver: Driver) -> None:
    def reject() -> None:
        board.state, board.result = 0, UpdateResult.INTEGRITY_FAILURE

    board.on_package = reject
    await device.register(board.query)
    finish = await driver.run()
    assert finish.state is UpdateState.FAILED
    assert "second attempt failed too" in finish.reason
    assert "damaged" in finish.reason
    assert driver.operations.count(Operation.WRITE_PACKAGE) == 2  # a broken transfer may be repeated, once
    assert board.executed == 0


async def test_a_device_that_answers_2_04_and_rejects_the_first_time_only(
    device: Any, board: Board, driver: Driver
) -> None:
    def reject() -> None:
        board.state, board.result = 0, UpdateResult.INTEGRITY_FAILURE
        board.on_package = board.take

    board.on_package = reject
    await device.register(board.query)
    assert (await driver.run()).state is UpdateState.SUCCEEDED
    assert driver.operations.count(Operation.WRITE_PACKAGE) == 2


async def test_a_device_that_reboots_before_it_answers_the_execute(device: Any, board: Board, driver: Driver) -> None:
    hold = asyncio.Event()
    answering = device.render

    async def render(request: aiocoap.Message) -> Any:
        if request.code == Code.POST and request.opt.uri_path == ("5", "0", "2"):
            board.execute(request)
            await hold.wait()
        return await answering(request)

    device.render = render
    await device.register(board.query)
    assert (await driver.run()).state is UpdateState.SUCCEEDED
    assert board.executed == 1
    hold.set()


async def test_a_device_that_runs_the_old_version_after_its_reboot_was_rolled_back(
    device: Any, board: Board, driver: Driver
) -> None:
    async def back() -> None:
        await asyncio.sleep(0.1)
        board.state, board.result = 0, UpdateResult.UPDATE_FAILED
        await device.register(board.query)

    board.reboot = back
    await device.register(board.query)
    assert (await driver.run()).state is UpdateState.ROLLED_BACK
