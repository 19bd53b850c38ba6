"""Requests in blocks: put together in order, and no more held than is allowed, whoever sends."""

from types import SimpleNamespace
from typing import Any

import aiocoap
import pytest
from aiocoap.blockwise import ContinueException
from aiocoap.numbers.codes import Code

from lwm2m.transports.assembly import Assembly, RefusedBlock
from lwm2m.uploads import UploadLimits

LIMITS = UploadLimits(bodies=2, body=4096, total=3072, idle=93.0)


def block(number: int, *, more: bool, query: str = "ep=dev1", peer: str = "192.0.2.1", payload: bytes = b"") -> Any:
    message = aiocoap.Message(code=Code.POST, uri_path=["rd"], uri_query=[query], payload=payload or bytes(1024))
    message.opt.block1 = (number, more, 6)
    message.remote = SimpleNamespace(blockwise_key=peer)
    return message


def refusal(assembly: Assembly, message: Any) -> Code:
    with pytest.raises(RefusedBlock) as refused:
        assembly.feed_and_take(message)
    code: Code = refused.value.to_message().code
    return code


async def test_two_devices_of_one_gateway_register_block_by_block_at_one_time() -> None:
    assembly = Assembly(LIMITS)
    for query in ("ep=one", "ep=two"):
        with pytest.raises(ContinueException):
            assembly.feed_and_take(block(0, more=True, query=query))
    for query in ("ep=one", "ep=two"):
        whole = assembly.feed_and_take(block(1, more=False, query=query, payload=query.encode()))
        assert whole.payload == bytes(1024) + query.encode()


async def test_a_block_out_of_order_is_told_so_and_the_right_one_still_goes_on() -> None:
    assembly = Assembly(LIMITS)
    with pytest.raises(ContinueException):
        assembly.feed_and_take(block(0, more=True))
    assert refusal(assembly, block(2, more=True)) == Code.REQUEST_ENTITY_INCOMPLETE
    assert refusal(assembly, block(1, more=True, peer="192.0.2.9")) == Code.REQUEST_ENTITY_INCOMPLETE
    assert assembly.feed_and_take(block(1, more=False, payload=b"end")).payload == bytes(1024) + b"end"


async def test_strangers_who_begin_and_never_end_cannot_fill_the_memory() -> None:
    assembly = Assembly(LIMITS)
    for number in range(2):
        with pytest.raises(ContinueException):
            assembly.feed_and_take(block(0, more=True, peer=f"192.0.2.{number}"))
    assert refusal(assembly, block(0, more=True, peer="192.0.2.3")) == Code.SERVICE_UNAVAILABLE
    with pytest.raises(ContinueException):
        assembly.feed_and_take(block(1, more=True, peer="192.0.2.0"))
    assert refusal(assembly, block(1, more=True, peer="192.0.2.1")) == Code.SERVICE_UNAVAILABLE
