"""Object 26241, "TinyMLaaS board": what the standard objects have no place for (vendor range 26241 to 32768).

| resource | type    | content                                                                                  |
|----------|---------|------------------------------------------------------------------------------------------|
| 0        | string  | the last update's report, JSON (edge.update_report); "" when there was none              |
| 1        | string  | SHA-256 of the model that runs, hex; "" when the board is empty                          |
| 2        | string  | name of the board                                                                        |
| 3        | integer | instructions of the slowest inference; 0 when the board's clock does not tell            |
| 4        | integer | bytes of the tensor arena that the running firmware uses                                 |

All are read-only. The server reads /26241/0/0 after an update to explain it; it outgrows a datagram, so nobody can
observe it.
"""

from edge.updater import Updater
from lwm2m.client import ClientResource, ObjectInstance
from lwm2m.client.standard import constant
from lwm2m.values import ResourceType

BOARD_OBJECT = 26241


def board_object(updater: Updater, board: str) -> ObjectInstance:
    """The instance /26241/0, read from the updater at each request."""

    def model() -> str:
        return updater.running.image.model_sha256 if updater.running else ""

    def instructions() -> int:
        return (updater.instructions(updater.running.report) or 0) if updater.running else 0

    def arena() -> int:
        return updater.running.report.arena if updater.running else 0

    return ObjectInstance(
        BOARD_OBJECT,
        0,
        {
            0: ClientResource(ResourceType.STRING, read=lambda: updater.record.report, observable=False),
            1: ClientResource(ResourceType.STRING, read=model),
            2: constant(ResourceType.STRING, board),
            3: ClientResource(ResourceType.INTEGER, read=instructions),
            4: ClientResource(ResourceType.INTEGER, read=arena),
        },
    )
