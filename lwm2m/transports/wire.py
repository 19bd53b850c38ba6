"""Requests and replies as aiocoap messages, and back."""

import asyncio
from typing import Any

import aiocoap
import aiocoap.error
from aiocoap.numbers.codes import Code as CoapCode
from aiocoap.numbers.constants import TransportTuning

from lwm2m.errors import BadRequest, DeviceTimeout, DeviceUnreachable
from lwm2m.messages import Block, Reply, Request

_MAX_RETRANSMIT = 4
_ACK_TIMEOUT = 2.0
_RANDOM_FACTOR = 1.5


class Tuning(TransportTuning):  # type: ignore[misc]  # aiocoap has no types
    """Plans retransmissions so that they end before the deadline: a request that was given up blocks no later one."""

    reliability = True

    def __init__(self, timeout: float) -> None:
        self.ACK_TIMEOUT = min(_ACK_TIMEOUT, max(0.1, timeout / (3 * _RANDOM_FACTOR)))
        self.MAX_RETRANSMIT = 0
        while self.MAX_RETRANSMIT < _MAX_RETRANSMIT and timeout >= self.ACK_TIMEOUT * _RANDOM_FACTOR * (
            2 ** (self.MAX_RETRANSMIT + 2) - 1
        ):
            self.MAX_RETRANSMIT += 1


def message_of(request: Request, remote: Any, timeout: float) -> Any:
    """A request as a message to a remote, with its retransmissions planned."""
    message = aiocoap.Message(code=CoapCode(request.method), transport_tuning=Tuning(timeout))
    message.remote = remote
    message.opt.uri_path = request.path
    message.opt.uri_query = request.query
    message.opt.accept = request.accept
    message.opt.content_format = request.content_format
    message.opt.size1 = request.size1
    message.opt.observe = request.observe
    message.payload = request.payload
    if request.block1 is not None:
        message.opt.block1 = _option(request.block1)
    if request.block2 is not None:
        message.opt.block2 = _option(request.block2)
    return message


def request_of(message: Any, identity: str | None) -> Request:
    """An incoming message as a request of whoever proved to be `identity`."""
    return Request(
        method=int(message.code),
        path=tuple(message.opt.uri_path),
        query=tuple(message.opt.uri_query),
        accept=_number(message.opt.accept),
        content_format=_number(message.opt.content_format),
        payload=message.payload,
        block1=_block(message.opt.block1),
        block2=_block(message.opt.block2),
        size1=message.opt.size1,
        etags=tuple(message.opt.etags or ()),
        observe=message.opt.observe,
        secure=identity is not None,
        identity=identity,
    )


def answer_of(reply: Reply) -> Any:
    """A reply as a message, for aiocoap to address."""
    message = aiocoap.Message(code=CoapCode(reply.code), payload=reply.payload)
    message.opt.content_format = reply.content_format
    message.opt.location_path = reply.location
    message.opt.size1 = reply.size1
    message.opt.size2 = reply.size2
    message.opt.etag = reply.etag
    if reply.block1 is not None:
        message.opt.block1 = _option(reply.block1)
    if reply.block2 is not None:
        message.opt.block2 = _option(reply.block2)
    return message


def reply_of(message: Any) -> Reply:
    """An incoming answer as a reply."""
    return Reply(
        code=int(message.code),
        payload=message.payload,
        content_format=_number(message.opt.content_format),
        location=tuple(message.opt.location_path),
        etag=message.opt.etag,
        observe=message.opt.observe,
        block1=_block(message.opt.block1),
        block2=_block(message.opt.block2),
        size1=message.opt.size1,
        size2=message.opt.size2,
    )


# A deadline is part of a CoAP exchange: retransmissions are planned by it.
async def answered(peer: str, response: "asyncio.Future[Any]", timeout: float) -> Any:  # noqa: ASYNC109 - see above
    """A pending answer.

    Raises:
        DeviceTimeout: it did not come in time.
        DeviceUnreachable: the network reports that nobody listens.
        BadRequest: it breaks the protocol.
    """
    try:
        # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the answer.
        async with asyncio.timeout(timeout):
            return await response
    except (TimeoutError, aiocoap.error.TimeoutError) as error:
        raise DeviceTimeout(f"no answer from {peer} within {timeout:g} s") from error
    except aiocoap.error.NetworkError as error:
        raise DeviceUnreachable(f"{peer} cannot be reached: {error}") from error
    except (aiocoap.error.Error, ValueError) as error:
        # The library also raises plain ValueErrors on block sequences with gaps.
        raise BadRequest(f"the answer of {peer} breaks CoAP: {error!r}") from error


def _number(option: Any) -> int | None:
    return None if option is None else int(option)


def _block(option: Any) -> Block | None:
    if option is None:
        return None
    return Block(option.block_number, bool(option.more), option.size_exponent)


def _option(block: Block) -> tuple[int, bool, int]:
    return block.number, block.more, block.exponent
