"""Send (Core 1.1.1, section 6.4.7): values that a device reports without being asked."""

from lwm2m.codecs import ContentFormat, normalise
from lwm2m.codecs.composite import decode_timestamped
from lwm2m.errors import BadRequest, CodecError, PathError
from lwm2m.events import Sample
from lwm2m.messages import Request
from lwm2m.objects import ObjectRegistry

PATH = "dp"
FORMATS = frozenset({ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR, ContentFormat.LWM2M_CBOR})


def parse_send(request: Request, models: ObjectRegistry, now: float) -> tuple[Sample, ...]:
    """What a POST to /dp reports, oldest first; values without a time come last.

    Raises:
        BadRequest: the payload says nothing, or not what its content format promises.
    """
    if request.content_format is None or normalise(request.content_format) not in FORMATS:
        raise BadRequest(
            f"a Send has content format 110, 112 or 11544, not {request.content_format}: choose one of them"
        )
    try:
        groups = decode_timestamped(request.payload, request.content_format, models, now=now)
    except (CodecError, PathError) as error:
        raise BadRequest(f"the payload cannot be read: {error}") from error
    samples = tuple(Sample(at, nodes) for at, nodes in groups if nodes)
    if not samples:
        raise BadRequest("a Send reports at least one value")
    return samples
