"""Content formats: turns nodes into payloads and payloads, which nobody may trust, into nodes."""

from collections.abc import Callable
from typing import NamedTuple

from lwm2m.codecs import lwm2m_cbor, lwm2m_json, plain, senml, tlv
from lwm2m.codecs.composite import decode_nodes, decode_paths, decode_timestamped, encode_nodes, encode_paths, select
from lwm2m.codecs.formats import MAX_STRUCTURED, ContentFormat, normalise
from lwm2m.errors import CodecError
from lwm2m.nodes import Node
from lwm2m.objects import STANDARD, ObjectRegistry
from lwm2m.paths import Path

__all__ = [
    "CodecError",
    "ContentFormat",
    "decode",
    "decode_nodes",
    "decode_paths",
    "decode_timestamped",
    "encode",
    "encode_nodes",
    "encode_paths",
    "normalise",
    "select",
]


class _Codec(NamedTuple):
    encode: Callable[[Path, Node], bytes]
    decode: Callable[[Path, bytes, ObjectRegistry], Node]
    structured: bool


_CODECS: dict[int, _Codec] = {
    ContentFormat.TEXT: _Codec(plain.encode_text, plain.decode_text, structured=False),
    ContentFormat.LINK: _Codec(plain.encode_link, plain.decode_link, structured=True),
    ContentFormat.OPAQUE: _Codec(plain.encode_opaque, plain.decode_opaque, structured=False),
    ContentFormat.CBOR: _Codec(plain.encode_cbor, plain.decode_cbor, structured=True),
    ContentFormat.SENML_JSON: _Codec(senml.encode_json, senml.decode_json, structured=True),
    ContentFormat.SENML_CBOR: _Codec(senml.encode_cbor, senml.decode_cbor, structured=True),
    ContentFormat.TLV: _Codec(tlv.encode, tlv.decode, structured=True),
    ContentFormat.JSON: _Codec(lwm2m_json.encode, lwm2m_json.decode, structured=True),
    ContentFormat.LWM2M_CBOR: _Codec(lwm2m_cbor.encode, lwm2m_cbor.decode, structured=True),
}


def encode(path: Path, node: Node, content_format: int) -> bytes:
    """`node`, which stands at `path`, as a payload.

    Raises:
        CodecError: the format is not known or cannot carry such a node.
    """
    return _find(content_format).encode(path, node)


def decode(path: Path, payload: bytes, content_format: int, models: ObjectRegistry = STANDARD) -> Node:
    """The node at `path` that a payload carries. Types come from the object models; unknown ones from the format.

    Raises:
        CodecError: the format is not known, or the payload breaks it, is too large or speaks of another path.
    """
    codec = _find(content_format)
    if codec.structured and len(payload) > MAX_STRUCTURED:
        raise CodecError(f"the payload of {len(payload)} bytes is larger than {MAX_STRUCTURED}")
    return codec.decode(path, payload, models)


def _find(content_format: int) -> _Codec:
    codec = _CODECS.get(normalise(content_format))
    if codec is None:
        raise CodecError(f"content format {content_format} is not known")
    return codec
