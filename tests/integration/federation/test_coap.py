"""A client of a federation over CoAP: the real site, intake and database, and aiocoap on the other side."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiocoap
import cbor2
import numpy as np
import pytest
from aiocoap.numbers.codes import Code

from app.services.federation_coap import CoapIntake
from app.services.federation_intake import token_sha256
from app.storage.federation_tables import FederationClientRow
from lwm2m.federation import FederationSite
from lwm2m.server import Lwm2mServer
from tests.integration.federation.conftest import FEDERATION, PARAMETERS, World
from zoo.federated.documents import Update, decode_model, encode_update, most_bytes
from zoo.federated.parameters import weights_sha256

TOKEN, OTHER = "client-token", "other-token"
ROUND = f"/fed/{FEDERATION}/rounds/1"


class CoapClient:
    """What a client library would do."""

    def __init__(self, context: Any, port: int) -> None:
        self._context, self._port = context, port

    async def get(self, path: str, token: str = TOKEN, query: str = "") -> Any:
        uri = f"coap://127.0.0.1:{self._port}{path}?token={token}{query}"
        return await self._context.request(aiocoap.Message(code=Code.GET, uri=uri)).response

    async def post(self, path: str, body: bytes, token: str = TOKEN) -> Any:
        uri = f"coap://127.0.0.1:{self._port}{path}?token={token}"
        message = aiocoap.Message(code=Code.POST, uri=uri, payload=body, content_format=60)
        return await self._context.request(message).response


@pytest.fixture
async def client(world: World) -> AsyncIterator[CoapClient]:
    world.begin()
    with world.database.write() as transaction:
        for name, token in (("one", TOKEN), ("two", OTHER)):
            transaction.session.add(
                FederationClientRow(
                    id=f"fcl_{name}", federation_id=FEDERATION, name=name, token_sha256=token_sha256(token)
                )
            )
    context = await aiocoap.Context.create_client_context(transports=["udp6"])
    async with Lwm2mServer(port=0, federations=FederationSite(CoapIntake(world.intake))) as server:
        yield CoapClient(context, server.port)
    await context.shutdown()


async def test_a_round_is_taken_part_in_and_a_lost_answer_is_given_again(
    world: World,
    client: CoapClient,
) -> None:
    assert cbor2.loads((await client.get(f"/fed/{FEDERATION}/assignment")).payload)["action"] == "wait"
    world.open(1, "one")
    asked = cbor2.loads((await client.get(f"/fed/{FEDERATION}/assignment")).payload)
    assert (asked["action"], asked["round"], asked["model"]) == ("train", 1, f"{ROUND}/model")
    exact = decode_model((await client.get(asked["model"])).payload, PARAMETERS)
    assert weights_sha256(exact.weights) == weights_sha256(world.weights)
    assert asked["base"] == weights_sha256(exact.weights).hex()
    small = (await client.get(asked["model"], query="&form=int8")).payload
    assert len(small) < 48 * 10 + 200
    near = decode_model(small, PARAMETERS).weights
    np.testing.assert_allclose(near[0], exact.weights[0], atol=np.abs(exact.weights[0]).max() / 254 + 1e-6)
    moved = (exact.weights[0] + np.float32(0.5), exact.weights[1])
    body = encode_update(Update(1, bytes.fromhex(asked["base"]), 20, moved))
    for _ in range(2):
        answer = await client.post(asked["updates"], body)
        assert (answer.code, cbor2.loads(answer.payload)) == (Code.CHANGED, {"accepted": True, "samples": 20})
    assert weights_sha256(world.received(1, "one")) == weights_sha256(moved)
    assert cbor2.loads((await client.get(f"/fed/{FEDERATION}/assignment")).payload)["action"] == "wait"


async def test_every_refusal_has_its_code_and_says_what_to_do(
    world: World,
    client: CoapClient,
) -> None:
    world.open(1, "one")
    good = Update(1, weights_sha256(world.weights), 20, world.weights)
    body = encode_update(good)
    for answer, code, slug in (
        (await client.get(f"/fed/{FEDERATION}/assignment", token=TOKEN[1:]), Code.UNAUTHORIZED, "token_invalid"),
        (await client.get("/fed/fed_2/assignment"), Code.NOT_FOUND, "federation_not_found"),
        (await client.get(f"/fed/{FEDERATION}/rounds/2/model"), Code.CONFLICT, "round_not_open"),
        (await client.post(f"{ROUND}/updates", b"\xa0"), Code.BAD_REQUEST, "malformed_update"),
        (await client.post(f"{ROUND}/updates", bytes(9000)), Code.REQUEST_ENTITY_TOO_LARGE, "update_too_large"),
        (
            await client.post(f"{ROUND}/updates", encode_update(replace(good, samples=0))),
            Code.UNPROCESSABLE_ENTITY,
            "no_samples",
        ),
        (
            await client.post(f"{ROUND}/updates", encode_update(replace(good, base=bytes(32)))),
            Code.CONFLICT,
            "wrong_base",
        ),
        (await client.post(f"{ROUND}/updates", body, token=OTHER), Code.FORBIDDEN, "not_selected"),
    ):
        assert answer.code == code, answer.payload
        assert answer.payload.decode().startswith(slug), answer.payload
    too_large = await client.post(f"{ROUND}/updates", bytes(9000))
    assert too_large.opt.size1 == most_bytes(PARAMETERS)
    assert world.updates(1)["one"].state == "refused"
    assert (await client.post(f"{ROUND}/updates", body)).code == Code.CHANGED
    await asyncio.sleep(0)
    duplicate = await client.post(f"{ROUND}/updates", encode_update(replace(good, samples=21)))
    assert (duplicate.code, duplicate.payload.decode().partition(":")[0]) == (Code.CONFLICT, "duplicate_update")
