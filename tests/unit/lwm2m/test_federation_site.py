"""What a federated client gets over CoAP, and what is refused before anything is kept."""

import hashlib

import cbor2
import pytest

from lwm2m.errors import Refused
from lwm2m.federation import FederationLimits, FederationSite
from lwm2m.messages import Block, Code, Method, Request
from lwm2m.uploads import UploadLimits
from tests.support.federation_intake import FEDERATION, TOKEN, MemoryIntake

PEER = "192.0.2.1:40000"
UPDATES = ("fed", FEDERATION, "rounds", "3", "updates")
MODEL = ("fed", FEDERATION, "rounds", "3", "model")
QUERY = (f"token={TOKEN}",)


def get(path: tuple[str, ...], *query: str, block2: Block | None = None) -> Request:
    return Request(Method.GET, path, query or QUERY, block2=block2)


def post(
    payload: bytes, block1: Block | None = None, *, size1: int | None = None, query: tuple[str, ...] = QUERY
) -> Request:
    return Request(Method.POST, UPDATES, query, content_format=60, payload=payload, block1=block1, size1=size1)


async def test_an_assignment_comes_as_cbor() -> None:
    reply = await FederationSite(MemoryIntake()).answer(PEER, get(("fed", FEDERATION, "assignment")))
    assert (reply.code, reply.content_format) == (Code.CONTENT, 60)
    told = cbor2.loads(reply.payload)
    assert told["model"] == "/" + "/".join(MODEL)
    assert told["updates"] == "/" + "/".join(UPDATES)
    assert told["training"] == {"epochs": 1, "learning_rate": 0.1}


async def test_a_model_is_asked_for_once_however_many_blocks_it_has() -> None:
    intake = MemoryIntake(bytes(range(256)) * 20)
    site = FederationSite(intake)
    body, number, more = b"", 0, True
    while more:
        reply = await site.answer(PEER, get(MODEL, *QUERY, "form=int8", block2=Block(number, False, 6)))
        assert reply.code == Code.CONTENT
        assert reply.block2 is not None
        body, number, more = body + reply.payload, number + 1, reply.block2.more
    assert body == b"int8:" + intake.global_model
    assert reply.etag == hashlib.sha256(body).digest()[:8]
    assert intake.asked == ["model"]


async def test_a_model_that_was_dropped_for_others_goes_on_where_it_was() -> None:
    intake = MemoryIntake(bytes(3000))
    site = FederationSite(intake, FederationLimits(downloads=1))
    await site.answer(PEER, get(MODEL))
    await site.answer(PEER, get(MODEL, *QUERY, "form=int8"))
    reply = await site.answer(PEER, get(MODEL, block2=Block(2, False, 6)))
    assert (reply.code, reply.block2) == (Code.CONTENT, Block(2, False, 6))
    assert intake.asked == ["model"] * 3


async def test_the_download_unused_for_longest_is_the_one_that_is_dropped() -> None:
    intake = MemoryIntake(bytes(3000))
    site = FederationSite(intake, FederationLimits(downloads=2))
    await site.answer(PEER, get(MODEL))
    await site.answer(PEER, get(MODEL, *QUERY, "form=int8"))
    await site.answer(PEER, get(MODEL, block2=Block(1, False, 6)))
    await site.answer(PEER, get(MODEL, *QUERY, "form=float16"))
    await site.answer(PEER, get(MODEL, block2=Block(2, False, 6)))
    assert intake.asked == ["model"] * 3


async def test_a_model_beyond_what_is_held_for_downloads_names_the_way_out() -> None:
    site = FederationSite(MemoryIntake(bytes(3000)), FederationLimits(models=2000))
    reply = await site.answer(PEER, get(MODEL))
    assert reply.code == Code.NOT_ACCEPTABLE
    assert "3008 bytes: take a smaller form, or HTTP" in reply.payload.decode()


async def test_an_update_in_blocks_is_handed_over_whole_and_once() -> None:
    intake = MemoryIntake()
    site = FederationSite(intake)
    first = await site.answer(PEER, post(b"a" * 1024, Block(0, True, 6), size1=1030))
    assert (first.code, first.block1) == (Code.CONTINUE, Block(0, True, 6))
    last = await site.answer(PEER, post(b"b" * 6, Block(1, False, 6)))
    assert (last.code, last.block1) == (Code.CHANGED, Block(1, False, 6))
    assert cbor2.loads(last.payload) == {"accepted": True, "samples": 20}
    assert intake.updates == [b"a" * 1024 + b"b" * 6]
    assert intake.asked == ["admit", "submit"]


async def test_nothing_of_a_body_is_kept_before_its_sender_is_known() -> None:
    intake = MemoryIntake()
    site = FederationSite(intake, FederationLimits(uploads=UploadLimits(bodies=1)))
    refused = await site.answer(PEER, post(b"a" * 1024, Block(0, True, 6), query=("token=wrong",)))
    assert (refused.code, refused.payload) == (Code.UNAUTHORIZED, b"the token is not one of this federation")
    assert (await site.answer(PEER, post(b"a" * 1024, Block(0, True, 6)))).code == Code.CONTINUE


async def test_a_body_that_is_too_large_hears_the_limit_at_its_first_block() -> None:
    site = FederationSite(MemoryIntake(limit=2000))
    announced = await site.answer(PEER, post(b"a" * 1024, Block(0, True, 6), size1=2001))
    assert (announced.code, announced.size1) == (Code.REQUEST_ENTITY_TOO_LARGE, 2000)
    assert (await site.answer(PEER, post(b"a" * 1024, Block(0, True, 6)))).code == Code.CONTINUE
    grown = await site.answer(PEER, post(b"a" * 1024, Block(1, True, 6)))
    assert (grown.code, grown.size1) == (Code.REQUEST_ENTITY_TOO_LARGE, 2000)


async def test_what_the_intake_refuses_is_told_in_words() -> None:
    intake = MemoryIntake()
    intake.refuses = Refused(Code.UNPROCESSABLE_ENTITY, "not_finite: dense/kernel has a value that is no number")
    reply = await FederationSite(intake).answer(PEER, post(b"x"))
    assert reply.code == Code.UNPROCESSABLE_ENTITY
    assert reply.payload.decode() == "not_finite: dense/kernel has a value that is no number"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (get(("fed",)), Code.NOT_FOUND),
        (get(("fed", FEDERATION, "rounds", "3", "weights")), Code.NOT_FOUND),
        (get(("fed", FEDERATION, "rounds", "-3", "model")), Code.NOT_FOUND),
        (get(("fed", FEDERATION, "rounds", "9" * 5000, "model")), Code.NOT_FOUND),
        (get(("fed", "x" * 65, "assignment")), Code.NOT_FOUND),
        (get(("fed", "other", "assignment")), Code.NOT_FOUND),
        (get(UPDATES), Code.METHOD_NOT_ALLOWED),
        (Request(Method.POST, MODEL, QUERY), Code.METHOD_NOT_ALLOWED),
        (Request(Method.GET, MODEL, ()), Code.UNAUTHORIZED),
        (get(MODEL, "token="), Code.UNAUTHORIZED),
        (get(MODEL, "token=" + "x" * 129), Code.UNAUTHORIZED),
        (get(MODEL, *QUERY, *QUERY), Code.BAD_REQUEST),
        (get(MODEL, *QUERY, "form=float64"), Code.BAD_REQUEST),
        (get(MODEL, *QUERY, "fomr=int8"), Code.BAD_REQUEST),
        (get(("fed", FEDERATION, "rounds", "2", "model")), Code.CONFLICT),
        (Request(Method.POST, UPDATES, QUERY, content_format=0, payload=b"x"), Code.UNSUPPORTED_CONTENT_FORMAT),
        (post(b"a" * 16, Block(4, True, 0)), Code.REQUEST_ENTITY_INCOMPLETE),
    ],
)
async def test_what_no_client_should_send_is_refused_with_a_sentence(request_: Request, code: Code) -> None:
    intake = MemoryIntake()
    reply = await FederationSite(intake).answer(PEER, request_)
    assert reply.code == code
    assert len(reply.payload) > 10
    assert "submit" not in intake.asked


async def test_a_source_that_asks_too_often_waits_and_others_do_not() -> None:
    now = 0.0
    limits = FederationLimits(requests_per_second=1.0, requests_at_once=3)
    site = FederationSite(MemoryIntake(), limits, clock=lambda: now)
    path = ("fed", FEDERATION, "assignment")

    async def code(peer: str, token: str) -> int:
        return (await site.answer(peer, get(path, f"token={token}"))).code

    assert [await code("192.0.2.1:1", "guess") for _ in range(3)] == [Code.UNAUTHORIZED] * 3
    assert await code("192.0.2.1:2", "guess") == Code.TOO_MANY_REQUESTS
    assert await code("192.0.2.2:1", TOKEN) == Code.CONTENT
    now = 1.0
    assert await code("192.0.2.1:1", TOKEN) == Code.CONTENT
