"""What devices answer: CoAP replies turned into nodes, links or a refusal with its reason."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lwm2m.codecs import ContentFormat, decode
from lwm2m.codecs.composite import decode_nodes, select
from lwm2m.errors import CodecError, PathError, Rejected
from lwm2m.links import Link, parse_links
from lwm2m.messages import Code, Reply, is_success
from lwm2m.nodes import Node
from lwm2m.objects import ObjectRegistry
from lwm2m.paths import Path

MAX_DIAGNOSTIC = 1024  # characters


@dataclass(frozen=True, slots=True)
class Response:
    """What a device answered. An error code is an answer too: look at `success`, or call `require_success`.

    `nodes` is what a composite operation found; paths that the device does not have are absent.
    """

    code: int
    content: Node | None = None
    diagnostic: str = ""
    links: tuple[Link, ...] = ()
    location: str | None = None
    nodes: Mapping[Path, Node] | None = None

    @property
    def success(self) -> bool:
        """Whether the device did what it was asked."""
        return is_success(self.code)

    def require_success(self) -> "Response":
        """This response.

        Raises:
            Rejected: the device answered with an error code.
        """
        if not self.success:
            raise Rejected(self.code, self.diagnostic)
        return self


def plain_response(reply: Reply) -> Response:
    """A response without content."""
    location = "/".join(reply.location) if reply.location else None
    diagnostic = "" if is_success(reply.code) else _text(reply.payload)[:MAX_DIAGNOSTIC]
    return Response(reply.code, diagnostic=diagnostic, location=location)


def content_response(path: Path, reply: Reply, models: ObjectRegistry) -> Response:
    """The node at `path`, decoded by what the device says that it sent.

    Raises:
        CodecError: the payload is not what its content format promises.
    """
    if reply.code != Code.CONTENT:
        return plain_response(reply)
    number = reply.content_format
    if number is None:
        number = ContentFormat.TEXT if path.level >= 3 else ContentFormat.TLV
    try:
        return Response(reply.code, decode(path, reply.payload, number, models))
    except PathError as error:
        raise CodecError(f"the device's content names no path: {error}") from error


def composite_response(paths: Iterable[Path], reply: Reply, models: ObjectRegistry) -> Response:
    """The nodes at `paths`, without those that the device left out.

    Raises:
        CodecError: the payload is not what its content format promises, or its format holds no more than one path.
    """
    if reply.code != Code.CONTENT:
        return plain_response(reply)
    number = ContentFormat.SENML_CBOR if reply.content_format is None else reply.content_format
    try:
        found = select(decode_nodes(reply.payload, number, models), paths, models)
    except PathError as error:
        raise CodecError(f"the device's content names no path: {error}") from error
    return Response(reply.code, nodes={path: node for path, node in found.items() if node is not None})


def links_response(reply: Reply) -> Response:
    """What a Discover found.

    Raises:
        CodecError: the payload is no link format.
    """
    if not is_success(reply.code):
        return plain_response(reply)
    return Response(reply.code, links=parse_links(_text(reply.payload)))


def _text(payload: bytes) -> str:
    return payload.decode(errors="replace")
