"""The device OS against the real server: registration, every object, formats, observations, pushes, pulls, Send."""

import asyncio
import random

import pytest

from lwm2m.codecs import ContentFormat
from lwm2m.events import Notification, Sent
from lwm2m.nodes import Instance, MultiResource, Object, Resource, node_for
from lwm2m.paths import Path as ObjectPath
from lwm2m.server import Lwm2mServer
from lwm2m.values import ResourceType
from tests.support.device_os.process import ENDPOINT, Device, StartDevice, is_registered, until

PACKAGE = random.Random(7).randbytes(200_000)
TOKEN = "token-1"  # noqa: S105 - of this test


def at(text: str) -> ObjectPath:
    return ObjectPath.parse(text)


async def value(server: Lwm2mServer, path: str, accept: int | None = None) -> object:
    response = await server.read(ENDPOINT, at(path), accept)
    assert response.success, (path, response)
    assert isinstance(response.content, Resource), response
    return response.content.value


@pytest.fixture
async def device(server: Lwm2mServer, start_device: StartDevice) -> Device:
    running = await start_device(server.port)
    await until(is_registered(server))
    return running


@pytest.mark.usefixtures("device")
async def test_it_registers_with_its_objects(server: Lwm2mServer) -> None:
    registration = server.registration(ENDPOINT)
    assert (registration.lifetime, registration.lwm2m_version, registration.binding) == (60, "1.1", "U")
    assert registration.instances == {
        number: [0, 1] if number in {9, 19} else [0] for number in (1, 3, 5, 9, 19, 26241, 26242, 26243)
    }


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("accept", [None, ContentFormat.TLV, ContentFormat.SENML_CBOR])
@pytest.mark.parametrize("path", ["/1", "/3", "/5", "/9", "/19", "/26241", "/26242", "/26243"])
async def test_every_object_can_be_read_as_a_whole(server: Lwm2mServer, path: str, accept: int | None) -> None:
    response = await server.read(ENDPOINT, at(path), accept)
    assert response.success, response
    assert isinstance(response.content, Object)
    assert len(response.content.instances) == (2 if path in {"/9", "/19"} else 1)
    assert all(instance.resources for instance in response.content.instances)


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("accept", [None, ContentFormat.TEXT, ContentFormat.TLV, ContentFormat.SENML_CBOR, 60])
async def test_a_resource_says_the_same_in_every_format(server: Lwm2mServer, accept: int | None) -> None:
    assert await value(server, "/3/0/3", accept) == "1.0.0"
    assert await value(server, "/1/0/1", accept) == 60
    assert await value(server, "/9/1/12", accept) is False


@pytest.mark.usefixtures("device")
async def test_multiple_resources_keep_their_numbers(server: Lwm2mServer) -> None:
    for accept in (None, ContentFormat.SENML_CBOR):
        response = await server.read(ENDPOINT, at("/5/0/8"), accept)
        assert isinstance(response.content, MultiResource)
        assert response.content.values == {0: 0, 1: 1}


@pytest.mark.usefixtures("device")
async def test_a_text_of_several_blocks_arrives_whole(server: Lwm2mServer) -> None:
    assert await value(server, "/26241/0/0") == "r" * 3000
    response = await server.read(ENDPOINT, at("/26241/0"))
    assert isinstance(response.content, Instance)
    assert {each.id for each in response.content.resources} == set(range(13))


@pytest.mark.usefixtures("device")
async def test_several_paths_are_read_at_once(server: Lwm2mServer) -> None:
    paths = [at(text) for text in ("/3/0/3", "/5/0/3", "/9/0/7", "/9/1", "/77/0")]
    response = await server.read_composite(ENDPOINT, paths)
    assert response.success, response
    assert {str(path) for path in response.nodes} == {"/3/0/3", "/5/0/3", "/9/0/7", "/9/1"}


@pytest.mark.usefixtures("device")
async def test_discover_names_what_is_there_and_its_attributes(server: Lwm2mServer) -> None:
    assert (await server.write_attributes(ENDPOINT, at("/5/0/3"), {"pmin": "1", "pmax": "60"})).success
    response = await server.discover(ENDPOINT, at("/5"))
    links = {link.url: dict(link.attributes) for link in response.links}
    assert links["/5"] == {"ver": "1.1"}
    assert links["/5/0/3"] == {"pmin": "1", "pmax": "60"}
    assert links["/5/0/8"] == {"dim": "2"}
    assert (await server.write_attributes(ENDPOINT, at("/5/0/3"), {"gt": "3"})).code == 0x80


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize(
    ("path", "code"), [("/0/0", 0x81), ("/77", 0x84), ("/3/1", 0x84), ("/3/0/99", 0x84), ("/5/0/0", 0x85)]
)
async def test_what_cannot_be_read_is_refused(server: Lwm2mServer, path: str, code: int) -> None:
    assert (await server.read(ENDPOINT, at(path))).code == code


@pytest.mark.usefixtures("device")
async def test_what_cannot_be_shown_in_a_format_is_refused(server: Lwm2mServer) -> None:
    assert (await server.read(ENDPOINT, at("/3/0"), ContentFormat.TEXT)).code == 0x86
    assert (await server.read(ENDPOINT, at("/3/0/0"), 4711)).code == 0x86


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("number", [None, ContentFormat.TLV, ContentFormat.SENML_CBOR, 60])
async def test_the_lifetime_is_written_in_every_format_and_told_to_the_server(
    server: Lwm2mServer, number: int | None
) -> None:
    node = Resource(1, ResourceType.INTEGER, 90)
    assert (await server.write(ENDPOINT, at("/1/0/1"), node, number)).success
    await until(lambda: server.registration(ENDPOINT).lifetime == 90)
    assert await value(server, "/1/0/1") == 90


@pytest.mark.usefixtures("device")
async def test_an_instance_is_written_wholly_or_not_at_all(server: Lwm2mServer) -> None:
    good = Instance(0, (Resource(1, ResourceType.INTEGER, 120), Resource(23, ResourceType.BOOLEAN, True)))
    bad = Instance(0, (Resource(23, ResourceType.BOOLEAN, False), Resource(1, ResourceType.INTEGER, -1)))
    assert (await server.write(ENDPOINT, at("/1/0"), good, replace=False)).success
    assert (await server.write(ENDPOINT, at("/1/0"), bad, replace=False)).code == 0x80
    assert await value(server, "/1/0/23") is True
    assert await value(server, "/1/0/1") == 120


@pytest.mark.usefixtures("device")
async def test_an_observed_state_is_told_when_it_changes(server: Lwm2mServer) -> None:
    heard: list[tuple[str, object]] = []

    def listen(event: object) -> None:
        if isinstance(event, Notification) and isinstance(event.node, Resource):
            heard.append((str(event.path), event.node.value))

    server.events.listen(listen)
    for path in ("/5/0/3", "/5/0/5", "/9/0/7"):
        assert (await server.observe(ENDPOINT, at(path))).success
    assert (await server.push(ENDPOINT, at("/5/0/0"), b"BAD" + PACKAGE[:5000])).success
    assert (await server.push(ENDPOINT, at("/9/0/2"), PACKAGE[:5000])).success
    await until(lambda: {("/9/0/7", 3), ("/5/0/5", 5)} <= set(heard))
    assert await value(server, "/5/0/3") == 0
    assert (await server.cancel_observe(ENDPOINT, at("/9/0/7"), active=True)) is not None
    heard.clear()
    assert (await server.execute(ENDPOINT, at("/9/0/4"))).success
    await asyncio.sleep(0.5)
    assert heard == []


@pytest.mark.usefixtures("device")
async def test_a_measurement_is_told_no_more_often_than_pmin(server: Lwm2mServer) -> None:
    assert (await server.write_attributes(ENDPOINT, at("/26241/0/12"), {"pmin": "1"})).success
    heard: list[object] = []
    server.events.listen(lambda event: heard.append(event) if isinstance(event, Notification) else None)
    assert (await server.observe(ENDPOINT, at("/26241/0/12"))).success
    await asyncio.sleep(3.3)
    assert 2 <= len(heard) <= 3


async def test_200_kb_are_pushed_and_the_package_can_be_installed(server: Lwm2mServer, device: Device) -> None:
    assert (await server.push(ENDPOINT, at("/5/0/0"), PACKAGE)).success
    assert device.slot(0).endswith(PACKAGE)
    assert (await value(server, "/5/0/3"), await value(server, "/5/0/5")) == (2, 0)
    assert (await server.execute(ENDPOINT, at("/5/0/2"))).success
    await asyncio.wait_for(device.process.wait(), 5)


@pytest.mark.usefixtures("device")
async def test_what_the_state_does_not_allow_is_refused(server: Lwm2mServer) -> None:
    refused = await server.execute(ENDPOINT, at("/5/0/2"))
    assert (refused.code, refused.diagnostic) == (0x85, "update needs state Downloaded")
    assert (await server.execute(ENDPOINT, at("/5/0/10"))).code == 0x85
    assert (await server.push(ENDPOINT, at("/5/0/0"), PACKAGE[:3000])).success
    refused = await server.push(ENDPOINT, at("/5/0/0"), PACKAGE[:3000])
    assert (refused.code, refused.diagnostic) == (0x80, "there is a package: reset or cancel it first")
    assert (await server.execute(ENDPOINT, at("/5/0/10"))).success
    assert (await value(server, "/5/0/3"), await value(server, "/5/0/5")) == (0, 10)
    assert (await server.push(ENDPOINT, at("/5/0/0"), PACKAGE[:3000])).success
    assert (await server.write(ENDPOINT, at("/5/0/0"), b"\0")).success
    assert (await value(server, "/5/0/3"), await value(server, "/5/0/5")) == (0, 0)


@pytest.mark.usefixtures("device")
async def test_a_package_beyond_the_slot_is_refused_at_its_first_block(server: Lwm2mServer) -> None:
    assert (await server.push(ENDPOINT, at("/9/1/2"), bytes((1 << 20) + 1))).code == 0x8D
    assert await value(server, "/9/1/7") == 0


@pytest.mark.usefixtures("device")
async def test_a_model_goes_through_the_states_of_object_9(server: Lwm2mServer) -> None:
    async def states() -> tuple[object, ...]:
        return tuple([await value(server, f"/9/1/{number}") for number in (7, 9, 12)])

    async def run(resource: int, arguments: str = "") -> int:
        return (await server.execute(ENDPOINT, at(f"/9/1/{resource}"), arguments)).code

    assert await run(10) == 0x85
    assert (await server.push(ENDPOINT, at("/9/1/2"), PACKAGE)).success
    assert await states() == (3, 3, False)
    assert await run(4) == 0x44
    assert await states() == (4, 2, False)
    assert await run(10) == 0x44
    assert await states() == (4, 2, True)
    assert await run(6) == 0x85  # the active model stays
    assert (await server.push(ENDPOINT, at("/9/1/2"), PACKAGE)).code == 0x85
    assert await run(11) == 0x44
    assert await run(6, "0='7'") == 0x80
    assert await run(6, "0='1'") == 0x44
    assert await states() == (0, 0, False)


@pytest.mark.usefixtures("device")
async def test_an_input_is_given_to_the_model_and_its_output_read(server: Lwm2mServer) -> None:
    assert (await server.write(ENDPOINT, at("/26242/0/0"), bytes([1]) * 2000)).success
    assert await value(server, "/26242/0/1") == bytes([500 % 256] * 4)
    assert await value(server, "/26242/0/2") == 1
    assert (await server.write(ENDPOINT, at("/26242/0/0"), bytes(1999))).code == 0x80
    assert (await server.write(ENDPOINT, at("/26242/0/0"), bytes(40_000))).code == 0x8D


@pytest.mark.usefixtures("device")
async def test_an_input_whose_output_is_too_large_to_be_kept_is_refused_for_good(server: Lwm2mServer) -> None:
    assert (await server.write(ENDPOINT, at("/26242/0/0"), b"\xff" * 2000)).code == 0x8D  # and not 5.03: try again


async def test_telemetry_is_sent_until_it_is_muted(server: Lwm2mServer, start_device: StartDevice) -> None:
    sent: list[Sent] = []
    server.events.listen(lambda event: sent.append(event) if isinstance(event, Sent) else None)
    await start_device(server.port, telemetry=1)
    await until(lambda: len(sent) >= 2)
    paths = {str(path) for sample in sent[0].samples for path in sample.nodes}
    assert paths >= {"/26241/0/8", "/26241/0/11", "/26242/0/2"}
    assert (await server.write(ENDPOINT, at("/1/0/23"), node_for(at("/1/0/23"), value=True))).success
    before = len(sent)
    await asyncio.sleep(2.2)
    assert len(sent) == before


async def test_reboot_answers_before_it_happens(server: Lwm2mServer, device: Device) -> None:
    assert (await server.execute(ENDPOINT, at("/3/0/4"))).success
    assert await asyncio.wait_for(device.process.wait(), 5) == 0
