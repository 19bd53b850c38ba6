"""What can be wrong in a federation: an update, a global model, its parameters, or too few that take part.

FederatedError             code                 raised by
├─ DocumentRefused
│  ├─ UpdateRefused        a `Refusal`          documents.decode_update, rounds.judge, the server for an outlier
│  └─ ModelRefused         malformed_model      documents.decode_model, at a client
├─ ParametersError         parameters_invalid   parameters: the list or the weights given for it
├─ UnencodableError        unencodable          documents: the weights do not go into the form asked for
└─ ParticipantsError       participants_few     rounds, aggregate, splits: fewer clients, updates or samples than needed

Nothing here knows HTTP or CoAP: each server maps a code to a status.
"""

from __future__ import annotations

from enum import StrEnum

from zoo.errors import ZooError


class Refusal(StrEnum):
    """Why an update is not taken; the value is the slug that a client sees."""

    MALFORMED = "malformed_update"
    WRONG_SHAPE = "wrong_shape"
    NOT_FINITE = "not_finite"
    NO_SAMPLES = "no_samples"
    TOO_MANY_SAMPLES = "too_many_samples"
    TOO_LARGE = "update_too_large"
    STALE_ROUND = "stale_round"
    NOT_OPEN = "round_not_open"
    WRONG_BASE = "wrong_base"
    DUPLICATE = "duplicate_update"
    NOT_SELECTED = "not_selected"
    OUTLIER = "outlier"


REMEDIES = {
    Refusal.MALFORMED: "Send one CBOR map with round, base, samples and weights; docs/reference/federation-protocol.md "
    "shows one byte by byte.",
    Refusal.WRONG_SHAPE: "Send one array for each of the federation's parameters, in its order, row by row.",
    Refusal.NOT_FINITE: "Train with a smaller learning rate, and send nothing when the loss is not a number.",
    Refusal.NO_SAMPLES: "Take part in a round only with samples of your own.",
    Refusal.TOO_MANY_SAMPLES: "Report the samples trained on, and no more than the assignment's training.max_samples.",
    Refusal.TOO_LARGE: "Send the weights of this federation's parameters alone, as float32, float16 or int8.",
    Refusal.STALE_ROUND: "Ask for the assignment and train from the global model of the round that is open.",
    Refusal.NOT_OPEN: "Ask for the assignment and wait until it names the round.",
    Refusal.WRONG_BASE: "Fetch the round's global model again and train from it; `base` is in the assignment.",
    Refusal.DUPLICATE: "Nothing: the first update of this round counts. The same bytes may be sent again.",
    Refusal.NOT_SELECTED: "Wait for a round that selects this client; the assignment says so.",
    Refusal.OUTLIER: "Check the labels and the learning rate: the update moves further than those of the others.",
}
"""What a client does next, by refusal."""


class FederatedError(ZooError):
    """A federation, or what takes part in one."""


class DocumentRefused(FederatedError):
    """A document of a stranger that is not taken."""

    def __init__(self, code: Refusal, detail: str, remedy: str | None = None) -> None:
        super().__init__(detail, REMEDIES[code] if remedy is None else remedy)
        self.code: str = code


class UpdateRefused(DocumentRefused):
    """An update that is not taken; `code` is a `Refusal`."""


class ModelRefused(DocumentRefused):
    """What a server sent as the global model is none of this federation."""

    def __init__(self, code: Refusal, detail: str, remedy: str | None = None) -> None:
        super().__init__(code, detail, remedy or "Fetch it again; when that fails too, enrol again.")
        self.code = "malformed_model"


class ParametersError(FederatedError):
    """The list of parameters is no such list, or weights do not have its shapes."""

    code = "parameters_invalid"
    default_remedy = "Name each parameter once, with a shape of positive sizes, in the order of the network."


class UnencodableError(FederatedError):
    """The weights do not go into the form that was asked for."""

    code = "unencodable"
    default_remedy = "Take form float32."


class ParticipantsError(FederatedError):
    """Fewer clients, updates or samples than are needed."""

    code = "participants_few"
    default_remedy = "Enrol more clients, or lower the federation's minimum."
