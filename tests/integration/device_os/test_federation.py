"""Objects 19 and 26243 on the wire: what is taken, what is given, and a sentence for everything else."""

import asyncio

import cbor2
import numpy as np
import pytest

from lwm2m.answers import Response
from lwm2m.codecs import ContentFormat
from lwm2m.messages import Code
from lwm2m.nodes import Instance, MultiResource, Resource, ResourceInstance
from lwm2m.paths import Path
from lwm2m.server import Lwm2mServer
from tests.support.device_os.process import ENDPOINT, Device, StartDevice, is_registered, until
from zoo.federated.documents import Limits, decode_update, encode_model
from zoo.federated.parameters import Parameter, Parameters, Weights, weights_sha256

PARAMETERS = Parameters([Parameter("dense/kernel", (4, 3)), Parameter("dense/bias", (3,))])
HEAD: Weights = (np.arange(12, dtype=np.float32).reshape(4, 3) / 16, np.array([1, 2, 3], np.float32))
SAMPLE = bytes([2, 0, 100, 50, 20, 10, 0, 0, 0, 0])  # label 2, eight bytes of input
NO_MODEL = "no global model: a map of federation, round, and two float32 arrays (tag 85)"
WRONG_SHAPE = "the head is not [features, outputs] and [outputs]: see 12 and 13 of /26243/0"
NO_ARGUMENTS = "train takes 0='round',1='epochs',2='learning rate in millionths'"


@pytest.fixture
async def device(server: Lwm2mServer, start_device: StartDevice) -> Device:
    running = await start_device(server.port)
    await until(is_registered(server))
    return running


async def write(server: Lwm2mServer, path: str, content: bytes, content_format: int | None = None) -> Response:
    return await server.write(ENDPOINT, Path.parse(path), content, content_format)


async def execute(server: Lwm2mServer, path: str, arguments: str = "") -> Response:
    return await server.execute(ENDPOINT, Path.parse(path), arguments)


async def value(server: Lwm2mServer, path: str, accept: int | None = None) -> object:
    content = (await server.read(ENDPOINT, Path.parse(path), accept)).content
    assert isinstance(content, Resource | ResourceInstance), content
    return content.value


async def train(server: Lwm2mServer) -> None:
    assert (await write(server, "/19/0/0/0", encode_model("fed_1", 3, HEAD))).success
    assert (await write(server, "/26243/0/2", SAMPLE)).success
    async with asyncio.timeout(20):
        while await value(server, "/26243/0/1") != 1:  # noqa: ASYNC110 - it is one when its features are there
            await asyncio.sleep(0)
    assert (await execute(server, "/26243/0/4", "2='500000',0='3',1='2'")).success
    async with asyncio.timeout(20):
        while str(await value(server, "/26243/0/0")) != "2":  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0)


def arrays(*parts: bytes, tag: int = 85) -> list[cbor2.CBORTag]:
    return [cbor2.CBORTag(tag, part) for part in parts]


GOOD = arrays(bytes(48), bytes(12))
INDEFINITE = (
    b"\xbf\x67weights\x9f"
    + cbor2.dumps(GOOD[0])
    + cbor2.dumps(GOOD[1])
    + b"\xff"
    + cbor2.dumps("round")
    + b"\x05"
    + cbor2.dumps("federation")
    + cbor2.dumps("fed_1")
    + b"\xff"
)


@pytest.mark.usefixtures("device")
async def test_a_round_is_trained_and_its_update_read(server: Lwm2mServer) -> None:
    await train(server)
    document = await value(server, "/19/1/0/0")
    assert isinstance(document, bytes)
    update = decode_update(document, PARAMETERS, Limits())
    assert (update.round, update.samples, update.base) == (3, 1, weights_sha256(HEAD))
    assert update.loss is not None
    assert float(str(await value(server, "/26243/0/6"))) == pytest.approx(update.loss, abs=1e-6)
    for accept in (ContentFormat.TLV, ContentFormat.SENML_CBOR, 60):
        loss = await value(server, "/26243/0/6", accept)
        assert (loss if isinstance(loss, float) else np.frombuffer(loss, ">f4")[0]) == pytest.approx(update.loss)  # type: ignore[call-overload] # bytes, where the model is not known


@pytest.mark.usefixtures("device")
async def test_the_containers_say_what_they_hold(server: Lwm2mServer) -> None:
    await train(server)
    response = await server.read(ENDPOINT, Path.parse("/19/1"))
    assert isinstance(response.content, Instance), response
    data = response.content[0]
    assert isinstance(data, MultiResource)
    assert data.values == {0: await value(server, "/19/1/0/0")}
    assert [await value(server, f"/19/{instance}/4") for instance in (0, 1)] == ["cbor", "cbor"]
    assert await value(server, "/19/0/3") == "global model of a round: the head"
    assert await value(server, "/19/0/0/0") == b""  # what was written is taken apart and not kept


@pytest.mark.usefixtures("device")
async def test_a_model_in_indefinite_lengths_and_another_order_is_taken(server: Lwm2mServer) -> None:
    assert (await write(server, "/19/0/0/0", INDEFINITE)).success
    assert str(await value(server, "/26243/0/5")) == "5"


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (b"", NO_MODEL),
        (b"\xff", NO_MODEL),
        (cbor2.dumps([1]), NO_MODEL),
        (cbor2.dumps({"federation": "f", "round": 1}), NO_MODEL),
        (cbor2.dumps({"federation": "f", "round": -1, "weights": GOOD}), NO_MODEL),
        (cbor2.dumps({"federation": "f", "round": 2**32, "weights": GOOD}), NO_MODEL),
        (cbor2.dumps({"federation": "f", "round": 1, "weights": GOOD, "more": 1}), NO_MODEL),
        (cbor2.dumps({"federation": "f", "round": 1, "weights": GOOD}) + b"\x00", NO_MODEL),
        (cbor2.dumps({"federation": "f", "round": 1, "weights": [*GOOD, GOOD[1]]}), NO_MODEL),
        (cbor2.dumps({"federation": "f", "round": 1, "weights": arrays(bytes(48), bytes(12), tag=84)}), NO_MODEL),
        (encode_model("f", 1, HEAD, "int8"), NO_MODEL),
        (encode_model("f", 1, HEAD)[:-1], NO_MODEL),
        (cbor2.dumps({"federation": "f", "round": 1, "weights": arrays(bytes(44), bytes(12))}), WRONG_SHAPE),
        (cbor2.dumps({"federation": "f", "round": 1, "weights": arrays(bytes(48), bytes(13))}), WRONG_SHAPE),
        (
            cbor2.dumps({"federation": "f", "round": 1, "weights": arrays(bytes(48), b"\x00\x00\xc0\x7f" * 3)}),
            "a parameter of the head is not a finite number",
        ),
    ],
)
async def test_what_is_no_global_model_is_refused(server: Lwm2mServer, document: bytes, sentence: str) -> None:
    refused = await write(server, "/19/0/0/0", document)
    assert (refused.code, refused.diagnostic) == (Code.BAD_REQUEST, sentence)
    assert str(await value(server, "/26243/0/5")) == "0"


@pytest.mark.usefixtures("device")
async def test_a_path_that_takes_nothing_says_so(server: Lwm2mServer) -> None:
    document = encode_model("f", 1, HEAD)
    refused = await write(server, "/19/1/0/0", document)
    assert (refused.code, refused.diagnostic) == (
        Code.METHOD_NOT_ALLOWED,
        "the update is read; a head is written to /19/0/0/0",
    )
    assert (await write(server, "/19/0/0/1", document)).code == Code.NOT_FOUND
    assert (await write(server, "/19/0/0", document)).code == Code.METHOD_NOT_ALLOWED
    assert (await write(server, "/19/0/3", b"x", ContentFormat.TEXT)).code == Code.METHOD_NOT_ALLOWED
    assert (await write(server, "/5/0/8/0", b"1", ContentFormat.TEXT)).code == Code.METHOD_NOT_ALLOWED


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize(
    "arguments",
    [
        *("", "0='1'", "0='1',1='1'", "0='1',1='1',2=1", "0='1',1='1',2=''", "0='1',1='1',2='1',", "x"),
        *("0='1',0='1',1='1'", "3='1',1='1',2='1'", "0='1',1='1',2='-1'", "0='1',1='1',2='1234567890'"),
        "0='1';1='1';2='1'",
    ],
)
async def test_train_needs_its_three_arguments(server: Lwm2mServer, arguments: str) -> None:
    refused = await execute(server, "/26243/0/4", arguments)
    assert (refused.code, refused.diagnostic) == (Code.BAD_REQUEST, NO_ARGUMENTS)


@pytest.mark.usefixtures("device")
async def test_a_sample_needs_a_label_and_the_input(server: Lwm2mServer) -> None:
    for sample, sentence in (
        (b"\x00", "a sample begins with its label, two bytes"),
        (SAMPLE[:-1], "not a label of two bytes and then the bytes of the model's input tensors"),
        (b"\x03" + SAMPLE[1:], "the label is none of the model's outputs"),
    ):
        refused = await write(server, "/26243/0/2", sample)
        assert (refused.code, refused.diagnostic) == (Code.BAD_REQUEST, sentence)
    assert str(await value(server, "/26243/0/1")) == "0"
