"""The federations for clients that come over CoAP: the intake, with its errors as CoAP codes."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

from app.errors import AppError
from app.services.federation_intake import FederationIntake
from lwm2m.errors import Refused
from lwm2m.federation import PREFIX
from lwm2m.messages import Code
from lwm2m.uploads import BodyTooLarge
from zoo.federated.documents import FORMS
from zoo.federated.errors import Refusal

Answer = TypeVar("Answer")

_CODES = {
    400: Code.BAD_REQUEST,
    401: Code.UNAUTHORIZED,
    403: Code.FORBIDDEN,
    404: Code.NOT_FOUND,
    409: Code.CONFLICT,
    413: Code.REQUEST_ENTITY_TOO_LARGE,
    422: Code.UNPROCESSABLE_ENTITY,
    503: Code.SERVICE_UNAVAILABLE,
}


class CoapIntake:
    """Implements `lwm2m.federation.Intake`. A refusal's diagnostic is its slug, what is wrong, and what to do next."""

    def __init__(self, intake: FederationIntake) -> None:
        self._intake = intake

    async def assignment(self, federation: str, token: str) -> Mapping[str, object]:
        """What the client is to do now, with paths of CoAP."""
        found = await _asked(lambda: self._intake.assignment(federation, token))
        return found.document(f"/{PREFIX}")

    async def model(self, federation: str, token: str, round_number: int, form: str) -> bytes:
        """The global model of the round that is open."""
        [known] = [each for each in FORMS if each == form]
        return await _asked(lambda: self._intake.model(federation, token, round_number, known))

    async def admit(self, federation: str, token: str, round_number: int, announced: int | None) -> int:
        """How long an update may be; the round keeps that a client announced more."""
        most = await _asked(lambda: self._intake.most_bytes(federation, token))
        if announced is not None and announced > most:
            try:
                await _asked(lambda: self._intake.refuse_too_large(federation, token, round_number, announced))
            except Refused as refusal:
                if refusal.code == Code.REQUEST_ENTITY_TOO_LARGE:
                    raise BodyTooLarge(most, refusal.diagnostic) from refusal
                raise
        return most

    async def submit(self, federation: str, token: str, round_number: int, body: bytes) -> Mapping[str, object]:
        """Take an update."""
        accepted = await _asked(lambda: self._intake.submit(federation, token, round_number, body))
        return {"accepted": True, "samples": accepted.samples}


async def _asked(ask: Callable[[], Answer]) -> Answer:
    """What the intake answers in a thread of its own. Raises Refused."""
    try:
        return await asyncio.to_thread(ask)
    except AppError as error:
        code = Code.BAD_REQUEST if error.slug == Refusal.MALFORMED else _CODES.get(error.status)
        raise Refused(code or Code.INTERNAL_SERVER_ERROR, f"{error.slug}: {error.detail} {error.remedy}") from error
