"""What a simulated device reads from a package."""

import hashlib
import struct

import pytest

from lwm2m.simulator.faults import Fault
from lwm2m.simulator.package import HEAD, MCUBOOT_MAGIC, HashStore, package_version

MCUBOOT = struct.pack("<IIHHIIBBHI", MCUBOOT_MAGIC, 0, 32, 0, 100, 0, 1, 2, 3, 4) + bytes(36)


@pytest.mark.parametrize(
    ("head", "version"),
    [
        (MCUBOOT, "1.2.3+4"),
        (b"version:2.0.0\nrest", "2.0.0"),
        (b"version:2.0.0", "abcdef01"),
        (b"\x3d\xb8\xf3\x96", "abcdef01"),
        (b"", "abcdef01"),
    ],
)
def test_the_version_comes_from_the_header_or_the_hash(head: bytes, version: str) -> None:
    assert package_version(head, "abcdef0123456789") == version


async def test_a_store_keeps_hash_size_and_head_and_tells_each_size() -> None:
    sizes: list[int] = []
    store = HashStore(sizes.append)
    data = bytes(range(256)) * 8
    for _ in range(2):
        store.open()
        for start in range(0, len(data), 512):
            store.write(data[start : start + 512])
        await store.close()
        assert (store.size, store.complete, store.sha256) == (2048, True, hashlib.sha256(data).hexdigest())
        assert store.head == data[:HEAD]
    assert sizes == [512, 1024, 1536, 2048] * 2
    store.discard()
    assert (store.size, store.complete) == (0, False)


def test_every_fault_says_what_it_does() -> None:
    assert all(len(fault.meaning) > 10 for fault in Fault)
