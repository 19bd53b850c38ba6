"""The content format numbers of LwM2M and the numbers that old devices use for them."""

from enum import IntEnum

MAX_STRUCTURED = 1 << 20  # bytes: no instance of a real device comes near; single opaque values are not limited here


class ContentFormat(IntEnum):
    """A CoAP content format that a codec exists for; the names are those of Leshan's REST API."""

    TEXT = 0
    LINK = 40
    OPAQUE = 42
    CBOR = 60
    SENML_JSON = 110
    SENML_CBOR = 112
    TLV = 11542
    JSON = 11543  # LwM2M 1.0; deprecated since
    LWM2M_CBOR = 11544  # LwM2M 1.2


# Used before the formats were registered; still sent by Wakaama builds and lwm2m-node-lib.
_LEGACY = {
    1541: ContentFormat.TEXT,
    1542: ContentFormat.TLV,
    1543: ContentFormat.JSON,
    1544: ContentFormat.OPAQUE,
}


def normalise(number: int) -> int:
    """The registered number for a content format, whatever number the device used."""
    return _LEGACY.get(number, number)
