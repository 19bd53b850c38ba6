"""Federated clients over real UDP: many at once, refusals they can read, and a token that nobody else sees."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiocoap
import cbor2
import pytest
from aiocoap.numbers.codes import Code

from lwm2m.errors import Refused
from lwm2m.federation import FederationLimits, FederationSite
from lwm2m.messages import Code as ReplyCode
from lwm2m.messages import TracedMessage
from lwm2m.server import Lwm2mServer
from lwm2m.uploads import UploadLimits
from tests.support.federation_intake import FEDERATION, TOKEN, MemoryIntake

BELOW = f"/fed/{FEDERATION}/rounds/3"
QUERY = f"token={TOKEN}"
NewDevice = Callable[[int], Awaitable[Any]]


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake(limit=300_000)


@pytest.fixture
async def server(intake: MemoryIntake) -> AsyncIterator[Lwm2mServer]:
    limits = FederationLimits(uploads=UploadLimits(bodies=3))
    async with Lwm2mServer(port=0, grace=0, federations=FederationSite(intake, limits)) as running:
        yield running


async def test_a_client_hears_what_to_do(device: Any) -> None:
    answer = await device.send(Code.GET, f"/fed/{FEDERATION}/assignment", QUERY)
    assert answer.code == Code.CONTENT
    assert answer.opt.content_format == 60
    assert cbor2.loads(answer.payload)["updates"] == f"{BELOW}/updates"


async def test_a_refusal_says_why(device: Any, intake: MemoryIntake) -> None:
    intake.refuses = Refused(ReplyCode.CONFLICT, "wrong_base: the update starts from another model; fetch round 3's")
    answer = await device.send(Code.POST, f"{BELOW}/updates", QUERY, bytes(5000), content_format=60)
    assert answer.code == Code.CONFLICT
    assert answer.payload.decode() == "wrong_base: the update starts from another model; fetch round 3's"


async def test_a_stranger_s_body_ends_at_its_first_block(device: Any, intake: MemoryIntake) -> None:
    answer = await device.send(Code.POST, f"{BELOW}/updates", "token=guess", bytes(200_000), content_format=60)
    assert answer.code == Code.UNAUTHORIZED
    assert intake.asked == ["admit"]


async def test_a_body_that_is_too_large_ends_at_its_first_block_and_names_the_size(device: Any) -> None:
    uri = f"coap://127.0.0.1:{device.server_port}{BELOW}/updates?{QUERY}"
    first = aiocoap.Message(code=Code.POST, uri=uri, payload=bytes(1024), content_format=60, size1=300_001)
    first.opt.block1 = (0, True, 6)
    answer = await device.context.request(first, handle_blockwise=False).response
    assert (answer.code, answer.opt.size1) == (Code.REQUEST_ENTITY_TOO_LARGE, 300_000)


async def test_more_clients_send_at_once_than_are_held_and_each_hears_how_it_went(
    server: Lwm2mServer, new_device: NewDevice, intake: MemoryIntake
) -> None:
    bodies = [random.Random(seed).randbytes(100_000) for seed in range(5)]
    # Clients are told apart by their tokens: the intake takes any here.
    intake._check = lambda what, *_: intake.asked.append(what)  # type: ignore[method-assign] # this test's intake
    devices = [await new_device(server.port) for _ in bodies]
    answers = await asyncio.gather(
        *(
            device.send(Code.POST, f"{BELOW}/updates", f"token=client-{number}", body, content_format=60)
            for number, (device, body) in enumerate(zip(devices, bodies, strict=True))
        )
    )
    taken = [number for number, answer in enumerate(answers) if answer.code == Code.CHANGED]
    turned_away = {answer.code for answer in answers if answer.code != Code.CHANGED}
    assert len(taken) == 3
    assert turned_away == {Code.SERVICE_UNAVAILABLE}
    assert sorted(intake.updates) == sorted(bodies[number] for number in taken)


async def test_a_token_is_in_no_log_line_and_in_no_trace(
    server: Lwm2mServer, device: Any, caplog: pytest.LogCaptureFixture, intake: MemoryIntake
) -> None:
    await device.register()
    heard: list[TracedMessage] = []
    forget = server.trace("dev1", heard.append)

    async def broken(*_: object) -> bytes:
        raise RuntimeError("the disk is full")

    intake.model = broken  # type: ignore[method-assign] # this test's intake
    caplog.set_level(logging.INFO)
    for path, query in ((f"{BELOW}/model", QUERY), (f"/fed/{FEDERATION}/assignment", QUERY), (f"{BELOW}/model", "")):
        await device.send(Code.GET, path, query)
    forget()
    assert "the disk is full" in caplog.text
    assert TOKEN not in caplog.text
    queries = [value for each in heard for name, value in each.options if name == "Uri-Query"]
    assert queries == ['"token=..."'] * 2
    assert TOKEN not in json.dumps([repr(each) for each in heard])


async def test_a_server_without_federations_has_nothing_there(new_device: NewDevice) -> None:
    async with Lwm2mServer(port=0) as server:
        device = await new_device(server.port)
        assert (await device.send(Code.GET, f"/fed/{FEDERATION}/assignment", QUERY)).code == Code.NOT_FOUND
