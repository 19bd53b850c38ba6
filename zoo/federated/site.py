"""What a client needs of the place where its federation is, whatever the way there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from zoo.federated.documents import BASE_BYTES, MAX_ROUND, MAX_SAMPLES, Form
from zoo.federated.errors import FederatedError

MAX_EPOCHS = 1000
MAX_RATE = 10.0

Action = Literal["train", "wait", "done"]


class SiteError(FederatedError):
    """The other side did not do what was asked."""

    code = "site_failed"


class SiteUnreachable(SiteError):
    """No answer, or one that says that the server cannot at the moment. It is worth asking again."""

    code = "site_unreachable"
    default_remedy = "Check the address and the network."


class SiteRefused(SiteError):
    """The server says no; `code` is its slug."""

    def __init__(self, code: str, detail: str, remedy: str | None = None) -> None:
        super().__init__(detail, remedy)
        self.code = code


class SiteBroken(SiteError):
    """Something answers that is no federation's server."""

    code = "site_broken"
    default_remedy = "Check the address, and that both sides are of the same version."


@dataclass(frozen=True)
class Training:
    """How a client is to train."""

    epochs: int
    learning_rate: float
    max_samples: int


@dataclass(frozen=True)
class Task:
    """What a client is to do now. `base` is the identity of the global model; both it and `training` go with train."""

    action: Action
    round: int
    base: bytes
    training: Training

    @classmethod
    def of(cls, document: object) -> Task:
        """From an assignment, JSON or CBOR. Raises SiteBroken for what is none."""
        match document:
            case {"action": ("wait" | "done") as action, "round": int(number)} if 0 <= number <= MAX_ROUND:
                return cls(action, number, b"", Training(1, 0.0, 1))
            case {
                "action": "train",
                "round": int(number),
                "base": str(base),
                "training": {
                    "epochs": int(epochs),
                    "learning_rate": float() | int() as rate,
                    "max_samples": int(most),
                },
            } if (
                0 <= number <= MAX_ROUND
                and 1 <= epochs <= MAX_EPOCHS
                and 0 < rate <= MAX_RATE
                and 1 <= most <= MAX_SAMPLES
                and (identity := _identity(base)) is not None
            ):
                return cls("train", number, identity, Training(epochs, float(rate), most))
        raise SiteBroken("The server's answer is no assignment.")


class Site(Protocol):
    """One client's view of its federation. Every method raises SiteUnreachable, SiteRefused or SiteBroken."""

    def trainable(self) -> bytes:
        """The .tflite file that is trained."""
        ...

    def task(self, wait: float) -> Task:
        """What to do now; a server may hold its answer back for `wait` seconds until there is something to do."""
        ...

    def model(self, task: Task, form: Form) -> bytes:
        """The global model of the task's round."""
        ...

    def submit(self, task: Task, body: bytes) -> None:
        """Hand over an update; it is safe when this returns."""
        ...


def _identity(text: str) -> bytes | None:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return None
    return found if len(found) == BASE_BYTES else None
