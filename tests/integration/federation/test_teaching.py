"""Samples for a board: what does not suit is refused before one is sent; a busy board tells how far it came."""

from typing import cast

import numpy as np
import pytest

from app.domain.board_training import BoardState
from app.errors import AppError
from app.services import inference, teaching
from app.services.teaching import TeachingService
from lwm2m.bridge import EmbeddedBridge
from tests.integration.federation.conftest import MakeBoard, World

INSTANCES = [[number] * 48 for number in range(4)]


@pytest.fixture
def service(world: World, monkeypatch: pytest.MonkeyPatch) -> TeachingService:
    """Of devices whose model takes bytes."""

    async def tensors(*_: object) -> None:
        pass

    def stored(_: object, instances: object) -> list[bytes]:
        return [bytes(each) for each in cast("list[list[int]]", instances)]

    # The store of models is not what is tested here: these two alone would ask it; boards, UDP and the bridge are real.
    monkeypatch.setattr(teaching, "running_tensors", tensors)
    monkeypatch.setattr(teaching, "stored_inputs", stored)
    return TeachingService(world.database, EmbeddedBridge(world.server))


async def test_samples_reach_the_board_in_their_order(service: TeachingService, make_board: MakeBoard) -> None:
    device = await make_board("board-1", samples=3)
    shown = await service.teach("board-1", INSTANCES, [3, 1, 4, 1])
    assert (shown.samples, device.y[3:].tolist()) == (7, [3, 1, 4, 1])
    assert np.allclose(device.x[3:] * 127, INSTANCES)


@pytest.mark.parametrize(
    ("held", "labels", "slug", "field"),
    [
        (0, [1, 2, 3], "labels_mismatch", "body.labels"),
        (0, [1, 2, 3, 10], "label_unknown", "body.labels.3"),
        (197, [1, 2, 3, 4], "samples_full", "body.instances"),
    ],
)
async def test_what_does_not_suit_is_refused_and_nothing_of_it_is_sent(
    service: TeachingService, make_board: MakeBoard, held: int, labels: list[int], slug: str, field: str
) -> None:
    device = await make_board("board-1", samples=held)
    with pytest.raises(AppError) as refused:
        await service.teach("board-1", INSTANCES, labels)
    assert (refused.value.slug, refused.value.field, len(device.y)) == (slug, field, held)


async def test_a_board_that_trains_meanwhile_is_told_with_how_many_samples_it_took(
    service: TeachingService, make_board: MakeBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "ANSWER_SECONDS", 0.3)  # nobody waits for 20 in a test
    device = await make_board("board-1", samples=0)
    device.trains_after = 2
    with pytest.raises(AppError) as refused:
        await service.teach("board-1", INSTANCES, [1, 2, 3, 4])
    assert refused.value.slug == "board_busy"
    assert "took 2 of 4" in refused.value.detail
    assert "from number 3 on" in refused.value.remedy
    assert len(device.y) == 2
    device.state, device.trains_after = BoardState.IDLE, None
    assert (await service.teach("board-1", INSTANCES[2:], [3, 4])).samples == 4
    assert device.y.tolist() == [1, 2, 3, 4]
