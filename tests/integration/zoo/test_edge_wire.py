"""Document 000 over nnstreamer-edge's wire: our receiver and our sender, each with a peer that is written by bytes."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.edge_peer import CAPABILITY, HOST_INFO, TRANSFER_DATA, Listener, Peer, Peers, packed
from tests.support.offloading import INI, RECEIVER, sender, text
from zoo.generators.lenet import datarepo
from zoo.training.offload.conf import parse_conf
from zoo.training.offload.edge_receiver import EdgeReceiver, Offloaded
from zoo.training.offload.edge_sender import EdgeSender
from zoo.training.offload.edge_wire import Limits
from zoo.training.offload.errors import WireError

PATIENCE = 20
TERABYTE = 1 << 40


@dataclass
class Waiting:
    """A receiver that listens, what it has told, and what it will have received."""

    receiver: EdgeReceiver
    port: int
    notes: asyncio.Queue[str]
    received: asyncio.Task[Offloaded]

    async def refusal(self) -> str:
        """What it tells of the next peer that it refuses."""
        while "refused" not in (told := await self.notes.get()):
            pass
        return told


@dataclass
class Receivers:
    """Starts receivers and closes them."""

    port: int
    started: list[Waiting] = field(default_factory=list)

    async def __call__(self, *, seconds: int = PATIENCE, limits: Limits | None = None) -> Waiting:
        conf = copy.deepcopy(RECEIVER)
        conf["offloading"]["port"] = str(self.port)
        conf["offloading"]["training"]["time-limit"] = seconds
        notes: asyncio.Queue[str] = asyncio.Queue()
        bounds = {} if limits is None else {"limits": limits}
        receiver = EdgeReceiver(parse_conf(text(conf)), text(conf), notes.put_nowait, **bounds)
        await receiver.listen()
        self.started.append(Waiting(receiver, self.port, notes, asyncio.create_task(receiver.receive())))
        return self.started[-1]


@pytest.fixture
async def peers() -> AsyncIterator[Peers]:
    made = Peers()
    yield made
    await made.close()


@pytest.fixture
async def receivers(reserve_tcp_port: Any) -> AsyncIterator[Receivers]:
    made = Receivers(reserve_tcp_port().release())
    yield made
    for waiting in made.started:
        waiting.received.cancel()
        await asyncio.gather(waiting.received, return_exceptions=True)
        await waiting.receiver.close()


@dataclass
class CSender:
    """A sender as the C library is one: its two listeners, and the connection that it has dialled."""

    query: Peer
    replies: Listener
    sink: Listener

    @classmethod
    async def begin(cls, peers: Peers, port: int, *, host_info: bytes | None = None) -> CSender:
        made = cls(await peers.dial(port), await peers.listen(), await peers.listen())
        command, client_id, _, _ = await made.query.read()
        assert command == CAPABILITY
        assert client_id > 0
        made.query.send(HOST_INFO, host_info or made.replies.address)
        return made

    def services(self, *, edge_host: str = "127.0.0.1", name: str = "registered-mnist.ini") -> None:
        """The network, and then the pipeline with its NUL."""
        self.query.send(
            TRANSFER_DATA,
            INI.encode(),
            service_type="model_raw",
            service_key="model_config_registration_key",
            name=name,
            activate="true",
            description="model configuration file",
        )
        conf = sender(weights=False)
        pipeline = conf["offloading"]["training"]["transfer-data"]["service_3"]
        sent = json.dumps(pipeline).replace("192.168.0.5", edge_host).replace("3110", str(self.sink.port))
        self.query.send(
            TRANSFER_DATA, sent.encode() + b"\0", service_type="pipeline_raw", service_key="pipeline_registration_key"
        )

    async def publish(self, caps: str, samples: list[bytes]) -> None:
        """As edgesink does."""
        subscriber = await self.sink.arrived.get()
        subscriber.send(CAPABILITY, f"@edge_sink_caps@{caps}\0".encode())
        command, _, (address,), _ = await subscriber.read()
        assert (command, address[-1:]) == (HOST_INFO, b"\0")
        for sample in samples:
            subscriber.send(TRANSFER_DATA, sample[:3136], sample[3136:])


async def test_document_000_line_12_services_and_samples_of_a_c_sender_arrive_bit_for_bit_and_the_model_goes_back(
    peers: Peers,
    receivers: Receivers,
) -> None:
    waiting = await receivers()
    with pytest.raises(ConnectionRefusedError):
        await peers.dial(waiting.port, "127.0.0.2")  # it listens on 127.0.0.1 alone
    peer = await CSender.begin(peers, waiting.port)
    second = await peers.dial(waiting.port)
    assert await second.ended()  # one session at a time
    peer.services()
    data, layout = datarepo(0, 10)
    caps = json.loads(layout)["gst_caps"]
    await peer.publish(caps, [data[place : place + 3176] for place in range(0, len(data), 3176)])
    offloaded = await waiting.received
    assert offloaded.files == {
        "registered-mnist.ini": INI.encode(),
        "edge-samples.data": data,
        "edge-samples.json": json.dumps({"gst_caps": caps, "total_samples": 10, "sample_size": 3176}).encode(),
    }
    conf = parse_conf(offloaded.conf_text, "sender")
    (service,) = conf.files.values()
    assert (service.key, service.description) == ("model_config_registration_key", "model configuration file")
    assert service.activate
    assert "stop-sample-index=9" in str(conf.sender_pipeline)
    await waiting.receiver.reply(b"trained")
    command, _, memories, meta = await (await peer.replies.arrived.get()).read()
    assert (command, memories) == (TRANSFER_DATA, [b"trained"])
    assert (meta["service-type"], meta["name"]) == ("reply", "registered-trained-model.bin")
    assert (meta["service-key"], meta["activate"]) == ("trained_model_registration_key", "true")


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "this is not nnstreamer-edge"),
        (packed(HOST_INFO, promised=[TERABYTE]), "is promised"),
        (packed(HOST_INFO, b"10.1.2.3:80\0"), "only its own address is dialled"),
        (packed(TRANSFER_DATA, b"x"), "had to send HOST_INFO"),
        (packed(HOST_INFO, b"127.0.0.1:80\0", version=0xEFDD_0000_0400_0002)[:168], "headers are shorter"),
    ],
)
async def test_document_000_line_12_a_stranger_is_refused_and_the_sender_after_it_is_heard(
    peers: Peers, receivers: Receivers, sent: bytes, complaint: str
) -> None:
    waiting = await receivers()
    stranger = await peers.dial(waiting.port)
    await stranger.read()
    stranger.writer.write(sent)
    assert complaint in await waiting.refusal()
    assert await stranger.ended()
    await CSender.begin(peers, waiting.port)  # which reads a capability


async def test_document_000_line_12_a_path_in_a_name_and_another_hosts_samples_are_refused(
    peers: Peers,
    receivers: Receivers,
) -> None:
    waiting = await receivers()
    peer = await CSender.begin(peers, waiting.port)
    peer.services(name="../registered-mnist.ini")
    assert "name is '../registered-mnist.ini'" in await waiting.refusal()
    peer = await CSender.begin(peers, waiting.port)
    peer.services(edge_host="10.1.2.3")
    assert "connection to '10.1.2.3'" in await waiting.refusal()


async def test_document_000_line_12_services_are_bounded_in_all(peers: Peers, receivers: Receivers) -> None:
    waiting = await receivers(limits=Limits(memory=2500, total=len(INI) + 100))
    peer = await CSender.begin(peers, waiting.port)
    peer.services()
    assert "bytes is promised; 100 are read" in await waiting.refusal()


async def test_document_000_line_12_samples_are_held_to_what_their_caps_say_and_to_the_limit(
    peers: Peers,
    receivers: Receivers,
) -> None:
    caps = json.loads(datarepo(0, 1)[1])["gst_caps"]
    waiting = await receivers(limits=Limits(memory=20_000, total=31_760))
    peer = await CSender.begin(peers, waiting.port)
    peer.services()
    await peer.publish(caps, [bytes(3176), bytes(3175)])
    assert "memories of [3136, 39] bytes, and its caps say [3136, 40]" in await waiting.refusal()
    peer = await CSender.begin(peers, waiting.port)
    peer.services()
    subscriber = await peer.sink.arrived.get()
    subscriber.send(CAPABILITY, caps.replace("28:28", "28:29").encode())
    assert "10 samples of 3288 bytes are announced; 31760 bytes are taken" in await waiting.refusal()


async def test_a_receiver_whom_nobody_has_sent_everything_tells_whom_it_has_refused(
    peers: Peers, receivers: Receivers
) -> None:
    waiting = await receivers(seconds=1)
    stranger = await peers.dial(waiting.port)
    stranger.writer.write(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(WireError, match=r"in 1 s.*not nnstreamer-edge"):
        await waiting.received


def _sending(folder: Path, receiver: int, sink: int) -> EdgeSender:
    """A sender of ten digits, for each of two epochs."""
    data, layout = datarepo(0, 12)
    for name, content in {"mnist.data": data, "mnist.json": layout, "mnist.ini": INI.encode()}.items():
        (folder / name).write_bytes(content)
    conf = sender(weights=False, stop=9, training=5, validation=5, epochs=2)
    conf["offloading"] |= {"dest-host": "127.0.0.1", "dest-port": str(receiver)}
    source = conf["offloading"]["training"]["sender-pipeline"]
    source = source.replace("3110", str(sink)).replace("epochs=2", "epochs=2 is-shuffle=false")
    conf["offloading"]["training"]["sender-pipeline"] = source
    pipeline = conf["offloading"]["training"]["transfer-data"]["service_3"]["pipeline"]
    text_ = pipeline["description"].replace("dest-host=192.168.0.5", "dest-host=127.0.0.1")
    pipeline["description"] = text_.replace("3110", str(sink))
    return EdgeSender(parse_conf(text(conf)), folder, lambda _: None)


async def test_document_000_line_12_a_c_receiver_gets_services_and_every_epochs_samples_bit_for_bit(
    peers: Peers, tmp_path: Path, reserve_tcp_port: Any
) -> None:
    receiver, sink = await peers.listen(), reserve_tcp_port().release()
    sending = asyncio.create_task(_sending(tmp_path, receiver.port, sink).run())
    peer = await receiver.arrived.get()
    peer.send(CAPABILITY, b"caps\0")
    command, _, (address,), _ = await peer.read()
    assert command == HOST_INFO
    back = await peers.dial(int(address[:-1].rpartition(b":")[2]))
    _, _, memories, meta = await peer.read()
    assert (memories, meta["service-type"], meta["name"]) == ([INI.encode()], "model_raw", "registered-mnist.ini")
    _, _, (pipeline,), meta = await peer.read()
    assert meta["service-type"] == "pipeline_raw"
    assert "tensor_trainer" in json.loads(pipeline[:-1])["pipeline"]["description"]

    subscriber = await peers.dial(sink)
    command, _, (caps,), _ = await subscriber.read()
    assert (command, caps[:16]) == (CAPABILITY, b"@edge_sink_caps@")
    assert b"dimensions=(string)28:28:1:1.10:1:1:1, types=(string)float32.float32" in caps
    subscriber.send(HOST_INFO, b"127.0.0.1:1\0")
    samples = b"".join([b"".join((await subscriber.read())[2]) for _ in range(20)])
    assert samples == datarepo(0, 10)[0] * 2

    back.send(TRANSFER_DATA, b"trained", service_type="reply", service_key="key", name="registered-trained-model.bin")
    assert await sending == ("registered-trained-model.bin", b"trained")


async def test_a_sender_whose_receiver_hangs_up_or_replies_with_a_path_says_so(
    peers: Peers, tmp_path: Path, reserve_tcp_port: Any
) -> None:
    receiver, sink = await peers.listen(), reserve_tcp_port().release()
    for reply, complaint in (
        (b"", "sent the end"),
        (packed(TRANSFER_DATA, b"x", service_type="reply", name="../x"), "name is"),
    ):
        sending = asyncio.create_task(_sending(tmp_path, receiver.port, sink).run())
        peer = await receiver.arrived.get()
        peer.send(CAPABILITY, b"caps\0")
        _, _, (address,), _ = await peer.read()
        back = await peers.dial(int(address[:-1].rpartition(b":")[2]))
        back.writer.write(reply)
        back.writer.close()
        with pytest.raises(WireError, match=complaint):
            await sending


async def test_document_000_line_12_a_sender_that_listens_elsewhere_than_it_is_reached_says_how_to_tell_it(
    peers: Peers, tmp_path: Path, reserve_tcp_port: Any
) -> None:
    receiver = await peers.listen()
    sending = _sending(tmp_path, receiver.port, reserve_tcp_port().release())
    with pytest.raises(WireError, match=r"this side listens on 127\.0\.0\.2") as refused:
        await sending.run("127.0.0.2")
    assert "--listen 127.0.0.1" in refused.value.remedy


async def test_document_000_line_12_our_sender_and_our_receiver_understand_each_other(
    tmp_path: Path, receivers: Receivers, reserve_tcp_port: Any
) -> None:
    waiting = await receivers()
    sending = asyncio.create_task(_sending(tmp_path, waiting.port, reserve_tcp_port().release()).run())
    offloaded = await waiting.received
    assert offloaded.files["edge-samples.data"] == datarepo(0, 10)[0]
    assert offloaded.files["registered-mnist.ini"] == INI.encode()
    await waiting.receiver.reply(b"trained")
    assert await sending == ("registered-trained-model.bin", b"trained")
