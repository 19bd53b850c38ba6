"""Leshan's COAPLOG: one CoAP message as its event stream tells it."""

from lwm2m.leshan_json import Json
from lwm2m.messages import Method, TracedMessage

MAX_SHOWN = 2048  # bytes of a payload: a block has 1024, a message over TCP up to 128 KiB
_NO_MESSAGE_ID = -1


def coaplog_json(endpoint: str, message: TracedMessage) -> Json:
    """A message as Leshan words it; what it does not have is left out."""
    fields: Json = {
        "timestamp": int(message.at * 1000),
        "incoming": message.incoming,
        "type": message.kind,
        "code": _code(message.code),
        "mId": _NO_MESSAGE_ID if message.message_id is None else message.message_id,
        "token": message.token.hex().upper(),
        "options": _options(message.options),
        "payload": _payload(message.payload),
        "ep": endpoint,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _code(code: int) -> str | None:
    if code == 0:
        return None
    if code >> 5:
        return f"{code >> 5}.{code & 31:02}"
    return Method(code).name if code in set(Method) else f"0.{code:02}"


def _options(options: tuple[tuple[str, str], ...]) -> str | None:
    values: dict[str, list[str]] = {}
    for name, value in options:
        values.setdefault(name, []).append(value)
    return " - ".join(f"{name}: {', '.join(each)}" for name, each in values.items()) or None


def _payload(payload: bytes) -> str | None:
    if not payload:
        return None
    shown, rest = payload[:MAX_SHOWN], len(payload) - MAX_SHOWN
    plain = all(0x20 <= byte < 0x7F for byte in shown)
    text = shown.decode("ascii") if plain else f"Hex:{shown.hex()}"
    return f"{text}... and {rest} bytes" if rest > 0 else text
