"""nnstreamer-edge's messages are what the C library's struct says, and no length of a peer is believed unbounded."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from tests.support.edge_peer import CAPABILITY, HOST_INFO, TRANSFER_DATA, packed
from zoo.training.offload.edge_services import incoming, take_service
from zoo.training.offload.edge_stream import own_address
from zoo.training.offload.edge_wire import (
    HEADER,
    Command,
    Limits,
    Message,
    check_prefix,
    decode_header,
    decode_meta,
    encode,
    text_of,
)
from zoo.training.offload.errors import WireError

LIMITS = Limits(memory=1000, total=1500)
TERABYTE = 1 << 40


def test_document_000_line_12_a_message_has_the_bytes_of_the_c_library() -> None:
    assert HEADER.size == 2088
    meta = {"service-type": "model_raw", "name": "mnist.ini"}
    made = encode(Message(Command.TRANSFER_DATA, 77, (b"abc", b"\0" * 40), meta))
    assert made == packed(TRANSFER_DATA, b"abc", b"\0" * 40, client_id=77, service_type="model_raw", name="mnist.ini")
    header = decode_header(made[:2088], LIMITS)
    assert (header.command, header.client_id, header.sizes) == (Command.TRANSFER_DATA, 77, (3, 40))
    assert decode_meta(made[-header.meta_size :]) == meta
    assert encode(Message(Command.HOST_INFO, 1, (b"127.0.0.1:5\0",))) == packed(
        HOST_INFO, b"127.0.0.1:5\0", client_id=1
    )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"magic": 0xDEADDEAD}, "0xdeaddead and not 0xfeedfeed"),
        ({"version": 0xEFDD_0000_0400_0002}, r"0\.2\.4, whose headers are shorter"),
        ({"version": 0xEFDD_0000_0000_1000}, r"0\.2 is spoken here"),
        ({"version": 0}, r"0\.2 is spoken here"),
        ({"promised": [TERABYTE]}, f"{TERABYTE} bytes is promised; 1000 are read"),
        ({"promised": [(1 << 64) - 1]}, "1000 are read"),
        ({"promised": [800, 800]}, "1600 bytes are promised; 1500 are read"),
        ({"meta_size": TERABYTE}, "of meta data are promised"),
    ],
)
def test_document_000_line_12_a_header_that_lies_is_refused_before_anything_is_read(
    change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(WireError, match=complaint):
        decode_header(packed(CAPABILITY, **change)[:2088], LIMITS)


def test_a_header_with_an_unknown_command_or_more_memories_than_fit_is_refused() -> None:
    with pytest.raises(WireError, match="command 9 is unknown"):
        decode_header(packed(9), LIMITS)
    many = bytearray(packed(TRANSFER_DATA))
    struct.pack_into("<I", many, 24, 257)
    with pytest.raises(WireError, match="promises 257 memories"):
        decode_header(bytes(many), LIMITS)
    with pytest.raises(WireError, match="257 memories"):
        encode(Message(Command.TRANSFER_DATA, memories=(b"",) * 257))
    check_prefix(packed(TRANSFER_DATA)[:16])


@pytest.mark.parametrize(
    "meta",
    [
        b"\1",
        struct.pack("<I", 1),
        struct.pack("<I", 1) + b"key\0value",
        struct.pack("<I", 2) + b"key\0value\0",
        struct.pack("<I", 1 << 31) + b"key\0value\0",
        struct.pack("<I", 2) + b"key\0a\0key\0b\0",
        struct.pack("<I", 1) + b"key\0\xff\0",
    ],
)
def test_meta_data_that_are_cut_off_repeated_or_no_text_are_refused(meta: bytes) -> None:
    with pytest.raises(WireError):
        decode_meta(meta)


def test_a_text_ends_with_its_nul_and_has_none_within() -> None:
    assert text_of(b"127.0.0.1:3003\0") == text_of(b"127.0.0.1:3003") == "127.0.0.1:3003"
    with pytest.raises(WireError, match="NUL"):
        text_of(b"a\0b\0")


@pytest.mark.parametrize("name", ["../mnist.ini", "/etc/passwd", "a/b", "..", ".hidden", "", "a\\b", "a\nb"])
def test_document_000_line_12_a_path_in_a_name_is_refused(name: str) -> None:
    meta = {"service-type": "model_raw", "service-key": "key", "name": name}
    with pytest.raises(WireError, match="name is"):
        take_service([], Message(Command.TRANSFER_DATA, memories=(b"x",), meta=meta))


def test_services_are_bounded_in_number_and_one_is_one_memory_of_a_known_type() -> None:
    meta = {"service-type": "model_raw", "service-key": "key", "name": "a.bin"}
    service = Message(Command.TRANSFER_DATA, memories=(b"",), meta=meta)
    assert not take_service([], service)
    with pytest.raises(WireError, match="more than 32 services"):
        take_service([service] * 32, service)
    with pytest.raises(WireError, match="service-type is 'model_uri'"):
        take_service([], Message(Command.TRANSFER_DATA, memories=(b"x",), meta={"service-type": "model_uri"}))
    with pytest.raises(WireError, match="2 memories and not one"):
        take_service([], Message(Command.TRANSFER_DATA, memories=(b"x", b"y"), meta=meta))
    large = Message(Command.TRANSFER_DATA, memories=(bytes(300_000),), meta={"service-type": "pipeline_raw"})
    with pytest.raises(WireError, match="300000 bytes; 262144 are read"):
        take_service([], large)


def test_document_000_line_12_more_samples_than_are_taken_are_refused_by_their_caps() -> None:
    caps = (
        "@edge_sink_caps@other/tensors, format=(string)static, num_tensors=(int)1, "
        "dimensions=(string)10, types=(string)float32"
    )
    assert incoming(caps, 37, LIMITS).sizes == (40,)
    with pytest.raises(WireError, match="38 samples of 40 bytes are announced; 1500"):
        incoming(caps, 38, LIMITS)
    with pytest.raises(WireError, match="announced"):
        incoming(caps.replace(")10,", ")9999999:9999999:9999999,"), 1, LIMITS)


@pytest.mark.parametrize("host", ["10.0.0.9", "127.0.0.2", "example.org", "", "0x7f000001", "2130706433"])
def test_document_000_line_12_nobody_but_the_peer_itself_is_dialled(host: str) -> None:
    with pytest.raises(WireError, match="only its own address"):
        own_address(f"{host}:3110", "127.0.0.1")


def test_an_address_of_the_peer_itself_has_a_port() -> None:
    assert own_address("127.0.0.1:3110", "127.0.0.1") == ("127.0.0.1", 3110)
    assert own_address("localhost:1", "127.0.0.1") == ("127.0.0.1", 1)
    for text in ("127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:99999999999"):
        with pytest.raises(WireError, match="host:port is expected"):
            own_address(text, "127.0.0.1")
