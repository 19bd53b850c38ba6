"""An intake of federations in memory: what the site of `lwm2m.federation` asks, without a server behind it."""

from collections.abc import Mapping

from lwm2m.errors import Refused
from lwm2m.messages import Code

FEDERATION, TOKEN = "fdr_1", "client-token"


class MemoryIntake:
    """One federation with one client, in round 3."""

    def __init__(self, model: bytes = b"model", limit: int = 1 << 20) -> None:
        self.global_model = model
        self.limit = limit
        self.updates: list[bytes] = []
        self.asked: list[str] = []
        self.refuses: Refused | None = None

    async def assignment(self, federation: str, token: str) -> Mapping[str, object]:
        self._check("assignment", federation, token)
        return {
            "action": "train",
            "round": 3,
            "model": f"/fed/{FEDERATION}/rounds/3/model",
            "updates": f"/fed/{FEDERATION}/rounds/3/updates",
            "training": {"epochs": 1, "learning_rate": 0.1},
        }

    async def model(self, federation: str, token: str, round_number: int, form: str) -> bytes:
        self._check("model", federation, token, round_number)
        return form.encode() + b":" + self.global_model

    async def admit(self, federation: str, token: str, round_number: int, announced: int | None) -> int:
        del announced
        self._check("admit", federation, token, round_number)
        return self.limit

    async def submit(self, federation: str, token: str, round_number: int, body: bytes) -> Mapping[str, object]:
        self._check("submit", federation, token, round_number)
        if self.refuses is not None:
            raise self.refuses
        self.updates.append(body)
        return {"accepted": True, "samples": 20}

    def _check(self, what: str, federation: str, token: str, round_number: int = 3) -> None:
        self.asked.append(what)
        if federation != FEDERATION:
            raise Refused(Code.NOT_FOUND, "no such federation")
        if token != TOKEN:
            raise Refused(Code.UNAUTHORIZED, "the token is not one of this federation")
        if round_number != 3:
            raise Refused(Code.CONFLICT, f"stale_round: round 3 is open, not {round_number}")
