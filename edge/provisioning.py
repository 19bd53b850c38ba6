"""The provisioning page: who a device with the device OS is, written into its flash once, at manufacture.

Layout (little-endian; docs/reference/device-os.md): magic `TMLP`, u16 version, u16 length of the TLVs, TLVs (u8 type,
u16 length, value), CRC-32 of all before it. The C reader is os/core/provisioning.c of the builder `cortex-m`.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import AddressValueError, IPv4Address
from typing import Self

from edge.errors import EdgeError

PAGE_BYTES = 4096
MAGIC = b"TMLP"
VERSION = 1
POINT_BYTES = 65
SEED_BYTES = 32
MAX_TEXT_BYTES = 128
MAX_ENDPOINT_BYTES = 64
MAX_KEY_BYTES = 64
MAX_PERIOD_US = 171_000_000  # what the timer of inference counts to, 32 bits of 25 MHz
MIN_LIFETIME_S, MAX_LIFETIME_S = 3, 7 * 86400

_HEADER = struct.Struct("<4sHH")
_TLV = struct.Struct("<BH")
_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_SERVER = re.compile(r"coaps?://([0-9.]+):([0-9]{1,5})", re.ASCII)


class Field(IntEnum):
    """TLV types."""

    ENDPOINT = 1
    SERVER = 2
    IDENTITY = 3
    KEY = 4
    SIGNING_KEY = 5
    SEED = 6
    PERIOD = 7
    LIFETIME = 8
    BOARD = 9
    CONFIRM = 10
    SENSOR_PORT = 11


_KNOWN = frozenset(map(int, Field))


class BadProvisioningError(EdgeError):
    """A page that a device could not use: which field, and what it must be."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} {problem}")
        self.field = name


@dataclass(frozen=True, slots=True)
class Provisioning:
    """What the page says; secrets stay out of its `repr`.

    `server` is `coap://IPv4:port` or, with `identity` and `key`, `coaps://IPv4:port`; `signing_key` the uncompressed
    point of the P-256 key that images are signed with; `seed` 32 random bytes of this device alone. Inference begins
    every `period_us` microseconds, back to back at half of the time when 0. A new firmware must have registered
    `confirm_s` seconds after its start. At `sensor_port` sensors nearby give it samples to train on, at none when 0.
    Raises BadProvisioningError.
    """

    endpoint: str
    server: str
    board: str
    signing_key: bytes
    seed: bytes = field(repr=False)
    identity: str = ""
    key: bytes = field(default=b"", repr=False)
    period_us: int = 100_000
    lifetime_s: int = 120
    confirm_s: int = 120
    sensor_port: int = 0

    def __post_init__(self) -> None:
        """Refuse what the device could not read or use."""
        for name, text, most in (
            ("endpoint", self.endpoint, MAX_ENDPOINT_BYTES),
            ("server", self.server, MAX_TEXT_BYTES),
            ("board", self.board, MAX_TEXT_BYTES),
        ):
            _require(name, 1 <= len(text.encode()) <= most, f"must have 1 to {most} bytes")
        _require("server", _is_server(self.server), "must be coap://IPv4:port or coaps://IPv4:port")
        point = len(self.signing_key) == POINT_BYTES and self.signing_key[0] == 4
        _require(
            "signing_key", point, f"must be a point of P-256, uncompressed: {POINT_BYTES} bytes that begin with 04"
        )
        _require("seed", len(self.seed) == SEED_BYTES, f"must have {SEED_BYTES} bytes")
        _require("identity", len(self.identity.encode()) <= MAX_TEXT_BYTES, f"must have at most {MAX_TEXT_BYTES} bytes")
        _require("key", len(self.key) <= MAX_KEY_BYTES, f"must have at most {MAX_KEY_BYTES} bytes")
        secure = self.server.startswith("coaps:")
        both = bool(self.identity) and bool(self.key)
        fits = both if secure else not (self.identity or self.key)
        _require("key", fits, "and identity go with coaps://, both or none")
        for name, number, least, largest in (
            ("period_us", self.period_us, 0, MAX_PERIOD_US),
            ("lifetime_s", self.lifetime_s, MIN_LIFETIME_S, MAX_LIFETIME_S),
            ("confirm_s", self.confirm_s, 1, 0xFFFFFFFF),
        ):
            _require(name, least <= number <= largest, f"must be within {least}..{largest}")
        _require("sensor_port", 0 <= self.sensor_port <= 0xFFFF, f"must be within 0..{0xFFFF}")

    def encode(self) -> bytes:
        """The page without its padding."""
        values: dict[Field, bytes] = {
            Field.ENDPOINT: self.endpoint.encode(),
            Field.SERVER: self.server.encode(),
            Field.BOARD: self.board.encode(),
            Field.SIGNING_KEY: self.signing_key,
            Field.SEED: self.seed,
            Field.PERIOD: _U32.pack(self.period_us),
            Field.LIFETIME: _U32.pack(self.lifetime_s),
            Field.CONFIRM: _U32.pack(self.confirm_s),
        }
        if self.key:
            values |= {Field.IDENTITY: self.identity.encode(), Field.KEY: self.key}
        if self.sensor_port:
            values[Field.SENSOR_PORT] = _U16.pack(self.sensor_port)
        body = b"".join(_TLV.pack(tag, len(value)) + value for tag, value in values.items())
        page = _HEADER.pack(MAGIC, VERSION, len(body)) + body
        return page + _U32.pack(zlib.crc32(page))

    @classmethod
    def decode(cls, page: bytes) -> Self:
        """Read a page, padded or not; raises BadProvisioningError."""
        values = _split(page)
        missing = {Field.ENDPOINT, Field.SERVER, Field.BOARD, Field.SIGNING_KEY, Field.SEED} - values.keys()
        _require("page", not missing, f"lacks {', '.join(sorted(tag.name.lower() for tag in missing))}")
        return cls(
            endpoint=_text(values[Field.ENDPOINT]),
            server=_text(values[Field.SERVER]),
            board=_text(values[Field.BOARD]),
            signing_key=values[Field.SIGNING_KEY],
            seed=values[Field.SEED],
            identity=_text(values.get(Field.IDENTITY, b"")),
            key=values.get(Field.KEY, b""),
            **{
                name: _number(name, values[tag], kind)
                for name, tag, kind in (
                    ("period_us", Field.PERIOD, _U32),
                    ("lifetime_s", Field.LIFETIME, _U32),
                    ("confirm_s", Field.CONFIRM, _U32),
                    ("sensor_port", Field.SENSOR_PORT, _U16),
                )
                if tag in values
            },
        )


def _split(page: bytes) -> dict[Field, bytes]:
    _require("page", len(page) >= _HEADER.size + _U32.size, "is too short")
    magic, version, length = _HEADER.unpack_from(page)
    _require("page", magic == MAGIC and version == VERSION, "is no provisioning page of version 1")
    end = _HEADER.size + length
    whole = end + _U32.size <= len(page)
    _require("page", whole and _U32.unpack_from(page, end)[0] == zlib.crc32(page[:end]), "is damaged")
    values: dict[Field, bytes] = {}
    at = _HEADER.size
    while at < end:
        _require("page", end - at >= _TLV.size, "ends inside a field")
        tag, size = _TLV.unpack_from(page, at)
        at += _TLV.size
        _require("page", size <= end - at, "ends inside a field")
        if tag in _KNOWN:  # a later host may write more
            values[Field(tag)] = page[at : at + size]
        at += size
    return values


def _require(name: str, holds: bool, problem: str) -> None:
    if not holds:
        raise BadProvisioningError(name, problem)


def _is_server(text: str) -> bool:
    match = _SERVER.fullmatch(text)
    if match is None or not 0 < int(match[2]) <= 0xFFFF:
        return False
    try:
        IPv4Address(match[1])
    except AddressValueError:
        return False
    return True


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise BadProvisioningError("page", "has a text that is no UTF-8") from error


def _number(name: str, value: bytes, kind: struct.Struct) -> int:
    _require(name, len(value) == kind.size, f"is no u{8 * kind.size}")
    number: int = kind.unpack(value)[0]
    return number
