"""Updates come in while a round is open: who is woken, what is told of refusals, and what stays behind."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from app.domain.federation import FederationState
from app.errors import AppError
from app.services.federation_intake import ClientId
from app.services.federation_rounds import FederationRounds
from app.services.federation_views import as_rounds
from app.storage import events
from app.storage import federations as rows
from app.storage.blobs import BlobStore
from tests.integration.federation.conftest import FEDERATION, World
from zoo.federated.documents import Update, encode_update
from zoo.federated.parameters import weights_sha256

ONE, OTHER = ClientId("fcl_board-1"), ClientId("fcl_board-2")


def _update(world: World, samples: int = 20) -> bytes:
    moved = tuple(array + np.float32(0.01) for array in world.weights)
    return encode_update(Update(1, weights_sha256(world.weights), samples, moved, 0.5))


@pytest.fixture
def opened(world: World) -> World:
    world.begin("board-1", "board-2")
    world.open(1, "board-1", "board-2")
    return world


async def test_an_update_wakes_those_who_wait_only_when_it_ends_the_round(opened: World) -> None:
    await asyncio.sleep(0)  # the bell of the round's begin
    with opened.bell.listening(FEDERATION) as heard:
        await asyncio.to_thread(opened.intake.submit, FEDERATION, ONE, 1, _update(opened))
        assert not heard.is_set()
        await asyncio.to_thread(opened.intake.submit, FEDERATION, OTHER, 1, _update(opened))
        assert heard.is_set()


async def test_each_reason_of_a_refusal_is_told_once_and_the_last_one_is_shown(opened: World) -> None:
    sent = [b"\xa0", _update(opened, samples=1001), b"\xa0", _update(opened, samples=1002), b"\xa0"]
    for body in sent:
        with pytest.raises(AppError):
            opened.intake.submit(FEDERATION, ONE, 1, body)
    with opened.database.read() as session:
        told = [each.data for each in events.of_subject(session, f"federation/{FEDERATION}")]
        [shown] = as_rounds(session, FEDERATION, rows.rounds(session, FEDERATION))
    assert [each["reason"]["slug"] for each in told if "reason" in each] == ["malformed_update", "too_many_samples"]
    [refused] = shown.updates
    assert refused.reason is not None
    assert refused.reason.slug == "malformed_update"


async def test_what_a_process_that_died_at_a_federation_s_end_left_of_its_updates_is_removed(
    opened: World, tmp_path: Path
) -> None:
    opened.intake.submit(FEDERATION, ONE, 1, _update(opened))
    left = tmp_path / "federations" / FEDERATION / "round-1"
    rounds = FederationRounds(opened.database, BlobStore(tmp_path), opened.files, opened.bell, None, None)  # type: ignore[arg-type]  # of rounds that go on only
    rounds.clear_up()
    assert left.exists(), "the federation runs"
    with opened.database.write() as transaction:
        federation = rows.by_id(transaction.session, FEDERATION)
        assert federation is not None
        federation.state = FederationState.CANCELLED
        transaction.session.add(federation)
    rounds.clear_up()
    assert not left.exists()
    assert opened.files.weights_path(FEDERATION, weights_sha256(opened.weights).hex()).exists()
