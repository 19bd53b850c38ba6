"""Messages of nnstreamer-edge's TCP wire as bytes: a fixed header, up to 256 memories, and texts under keys.

Little endian, as version 0.2.6 writes it on x86-64 and ARM. Every length of a peer is compared with a limit before
anything of that length is read; nothing here opens a socket.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum

from zoo.training.offload.errors import WireError

MAGIC = 0xFEEDFEED
VERSION = (0, 2, 6)
MAX_MEMORIES = 256
MAX_META_BYTES = 64 * 1024
MAX_META_ENTRIES = 64
MAX_TEXT_BYTES = 16 * 1024
"""Of a capability or an address."""

PREFIX = struct.Struct("<IIQ")
HEADER = struct.Struct(f"<IIQqI4x{MAX_MEMORIES}QQ")
_COUNT = struct.Struct("<I")
_VERSION_MARK = 0xEFDD
_OLD_HEADERS = (0, 2, 4)
_SHOWN = 60


class Command(IntEnum):
    """What a message is. ERROR is how a peer says that it ends."""

    ERROR = 0
    TRANSFER_DATA = 1
    HOST_INFO = 2
    CAPABILITY = 3


@dataclass(frozen=True)
class Limits:
    """Bytes: of one memory, and of all memories of a message."""

    memory: int
    total: int


TEXT = Limits(MAX_TEXT_BYTES, MAX_TEXT_BYTES)
"""Of a capability or an address."""


@dataclass(frozen=True)
class Message:
    """A command with its memories, and what is said of them."""

    command: Command
    client_id: int = 0
    memories: tuple[bytes, ...] = ()
    meta: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The first memory as the C library has a text: up to its NUL. Raises WireError."""
        if not self.memories:
            raise WireError(f"{self.command.name} has no memory, and a text is expected.")
        return text_of(self.memories[0])


@dataclass(frozen=True)
class Header:
    """What follows it."""

    command: Command
    client_id: int
    sizes: tuple[int, ...]
    meta_size: int


def encode(message: Message) -> bytes:
    """A message as bytes. Raises WireError when it does not fit the wire."""
    if len(message.memories) > MAX_MEMORIES:
        raise WireError(f"A message has {len(message.memories)} memories; {MAX_MEMORIES} fit.")
    meta = _encode_meta(message.meta) if message.meta else b""
    sizes = [len(memory) for memory in message.memories] + [0] * (MAX_MEMORIES - len(message.memories))
    header = HEADER.pack(
        MAGIC, message.command, _version_key(VERSION), message.client_id, len(message.memories), *sizes, len(meta)
    )
    return b"".join((header, *message.memories, meta))


def check_prefix(data: bytes) -> None:
    """Compare magic and version, which come first because the header's length depends on the version."""
    magic, _, key = PREFIX.unpack(data)
    if magic != MAGIC:
        raise WireError(f"The first four bytes are {magic:#010x} and not {MAGIC:#010x}: this is not nnstreamer-edge.")
    mark, version = key >> 48, ((key >> 12) & 0xFFF, key & 0xFFF, (key >> 24) & 0xFFFFFF)
    shown = ".".join(str(number) for number in version)
    if mark != _VERSION_MARK or version[:2] != VERSION[:2]:
        raise WireError(f"The peer's version key is {key:#018x}; nnstreamer-edge 0.2 is spoken here.")
    if version <= _OLD_HEADERS:
        raise WireError(f"The peer has nnstreamer-edge {shown}, whose headers are shorter; 0.2.5 or later is needed.")


def decode_header(data: bytes, limits: Limits) -> Header:
    """Read a header and hold its lengths to the limits. Raises WireError."""
    check_prefix(data[: PREFIX.size])
    _, number, _, client_id, count, *sizes, meta_size = HEADER.unpack(data)
    try:
        command = Command(number)
    except ValueError as error:
        raise WireError(f"The command {number} is unknown.") from error
    if count > MAX_MEMORIES:
        raise WireError(f"A message promises {count} memories; {MAX_MEMORIES} fit.")
    promised = tuple(sizes[:count])
    if any(size > limits.memory for size in promised):
        raise WireError(f"A memory of {max(promised)} bytes is promised; {limits.memory} are read.")
    if sum(promised) > limits.total:
        raise WireError(f"Memories of {sum(promised)} bytes are promised; {limits.total} are read.")
    if meta_size > MAX_META_BYTES:
        raise WireError(f"{meta_size} bytes of meta data are promised; {MAX_META_BYTES} are read.")
    return Header(command, client_id, promised, meta_size)


def decode_meta(data: bytes) -> dict[str, str]:
    """Read keys and their values. Raises WireError for what is cut off, repeated or left over."""
    if not data:
        return {}
    if len(data) < _COUNT.size:
        raise WireError("The meta data are cut off.")
    (count,) = _COUNT.unpack_from(data)
    if count > MAX_META_ENTRIES:
        raise WireError(f"The meta data promise {count} entries; {MAX_META_ENTRIES} are read.")
    *parts, rest = data[_COUNT.size :].split(b"\0")
    if rest or len(parts) != 2 * count:
        raise WireError(f"The meta data promise {count} entries and hold {len(parts)} texts.")
    texts = [_utf8(part) for part in parts]
    found = dict(zip(texts[::2], texts[1::2], strict=True))
    if len(found) != count:
        raise WireError("The meta data have a key twice.")
    return found


def text_of(memory: bytes) -> str:
    """A text as the C library sends one: it may end with a NUL, and holds no other. Raises WireError."""
    return _utf8(memory.removesuffix(b"\0"))


def as_text(text: str) -> bytes:
    """A text as the C library expects one, with its NUL."""
    return text.encode() + b"\0"


def _encode_meta(meta: dict[str, str]) -> bytes:
    if len(meta) > MAX_META_ENTRIES or any("\0" in text for pair in meta.items() for text in pair):
        raise WireError(f"Meta data have at most {MAX_META_ENTRIES} entries, and no NUL in a text.")
    data = _COUNT.pack(len(meta)) + b"".join(as_text(text) for pair in meta.items() for text in pair)
    if len(data) > MAX_META_BYTES:
        raise WireError(f"Meta data of {len(data)} bytes; {MAX_META_BYTES} fit.")
    return data


def _utf8(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise WireError(f"{data[:_SHOWN]!r} is no UTF-8.") from error
    if "\0" in text:
        raise WireError(f"{text[:_SHOWN]!r} has a NUL within.")
    return text


def _version_key(version: tuple[int, int, int]) -> int:
    major, minor, micro = version
    return _VERSION_MARK << 48 | micro << 24 | major << 12 | minor
