"""The provisioning page comes back as it was written, hides its secrets, and refuses what no device could use."""

import struct
import zlib
from dataclasses import replace

import pytest

from edge.provisioning import BadProvisioningError, Provisioning

PLAIN = Provisioning(
    endpoint="board-1",
    server="coap://10.0.2.2:5683",
    board="mps2-an386-os",
    signing_key=b"\x04" + bytes(64),
    seed=bytes(range(32)),
)
SECURE = replace(PLAIN, server="coaps://10.0.2.2:5684", identity="board-1", key=b"secret" * 4, period_us=0)
WITH_SENSORS = replace(PLAIN, sensor_port=5690)
AT_THE_LIMITS = replace(PLAIN, endpoint="e" * 64, period_us=171_000_000, lifetime_s=604_800)


@pytest.mark.parametrize("page", [PLAIN, SECURE, WITH_SENSORS, AT_THE_LIMITS])
def test_a_page_comes_back_as_it_was_written(page: Provisioning) -> None:
    assert Provisioning.decode(page.encode()) == page
    assert Provisioning.decode(page.encode().ljust(4096, b"\xff")) == page


def test_a_page_does_not_show_its_secrets() -> None:
    assert "secret" not in repr(SECURE)
    assert repr(SECURE.seed) not in repr(SECURE)


def test_a_page_of_a_later_host_is_read_as_far_as_it_is_known() -> None:
    body = PLAIN.encode()[8:-4] + struct.pack("<BH", 200, 3) + b"new"
    page = struct.pack("<4sHH", b"TMLP", 1, len(body)) + body
    assert Provisioning.decode(page + struct.pack("<I", zlib.crc32(page))) == PLAIN


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"endpoint": ""}, "endpoint"),
        ({"endpoint": "e" * 65}, "endpoint"),
        ({"server": "http://10.0.2.2:5683"}, "server"),
        ({"server": "coap://10.0.2:5683"}, "server"),
        ({"server": "coap://10.0.2.2:70000"}, "server"),
        ({"server": "coap://example.org:5683"}, "server"),
        ({"board": ""}, "board"),
        ({"signing_key": b"\x02" + bytes(64)}, "signing_key"),
        ({"signing_key": b"\x04" + bytes(63)}, "signing_key"),
        ({"seed": bytes(31)}, "seed"),
        ({"identity": "board-1"}, "key"),
        ({"key": b"k" * 65}, "key"),
        ({"server": "coaps://10.0.2.2:5684"}, "key"),
        ({"period_us": -1}, "period_us"),
        ({"period_us": 171_798_692}, "period_us"),
        ({"lifetime_s": 2}, "lifetime_s"),
        ({"lifetime_s": 604_801}, "lifetime_s"),
        ({"confirm_s": 1 << 32}, "confirm_s"),
        ({"sensor_port": 1 << 16}, "sensor_port"),
    ],
)
def test_what_no_device_could_use_is_refused_by_its_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(BadProvisioningError) as caught:
        replace(PLAIN, **changes)  # type: ignore[arg-type] # one field of each type
    assert caught.value.field == field


@pytest.mark.parametrize("damage", [b"", b"\xff" * 4096, PLAIN.encode()[:-1], PLAIN.encode()[:20]])
def test_what_is_no_page_is_refused(damage: bytes) -> None:
    with pytest.raises(BadProvisioningError):
        Provisioning.decode(damage)


def test_a_flipped_bit_is_seen_wherever_it_is() -> None:
    whole = PLAIN.encode()
    for at in range(len(whole)):
        with pytest.raises(BadProvisioningError):
            Provisioning.decode(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
