"""Boards in a federation: real UDP, the real database, and boards in Python that reboot, sleep, fail and get lost."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.routing import Mount

from app.domain.board_training import BoardState
from app.domain.federation import UpdateState
from app.services.federation_errands import BoardErrands
from app.services.federation_intake import Assignment, Who
from lwm2m.bridge import make_bridge
from lwm2m.leshan import leshan_app
from lwm2m.server import Lwm2mServer
from tests.integration.federation.conftest import PARAMETERS, MakeBoard, World
from tests.support.serving import served
from tests.support.training_device import TrainingDevice, sgd
from zoo.federated.parameters import Parameter, Parameters, Weights


async def until(holds: Callable[[], object], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for is in a database or in another object
            await asyncio.sleep(0.02)


def same(left: Weights, right: Weights) -> bool:
    return all(np.array_equal(mine, theirs) for mine, theirs in zip(left, right, strict=True))


async def test_boards_get_the_head_train_it_and_their_updates_arrive_to_the_bit(
    world: World, make_board: MakeBoard
) -> None:
    devices = {endpoint: await make_board(endpoint) for endpoint in ("board-1", "board-2")}
    world.begin(*devices)
    async with world.courier():
        world.open(1, *devices)
        await until(lambda: len(world.updates(1)) == 2)
    for endpoint, device in devices.items():
        [(number, head)] = device.heads
        assert number == 1
        assert same(head, world.weights)
        assert same(world.received(1, endpoint), sgd(world.weights, device.x, device.y, 3, 0.05)[0])
        assert device.trainings == [1]
    assert {(row.state, row.samples) for row in world.updates(1).values()} == {(UpdateState.ACCEPTED, 20)}


async def test_boards_behind_a_leshan_server_take_part_too(world: World, make_board: MakeBoard) -> None:
    device = await make_board("board-1")
    world.begin("board-1")
    application = Starlette(routes=[Mount("/api", leshan_app(world.server))])
    async with (
        served(application) as address,
        make_bridge(address, Lwm2mServer(port=0)) as bridge,
        world.courier(bridge),
    ):
        world.open(1, "board-1")
        await until(lambda: world.updates(1))
        world.finish(world.received(1, "board-1"))
        await until(lambda: device.uses)
    assert same(world.received(1, "board-1"), device.heads[-1][1])


async def test_a_board_that_loses_power_in_mid_round_gets_the_head_again(world: World, make_board: MakeBoard) -> None:
    device = await make_board("board-1")
    device.goes_on.clear()
    world.begin("board-1")
    async with world.courier():
        world.open(1, "board-1")
        await until(lambda: device.trainings == [1])
        await device.lose_power()
        device.goes_on.set()
        await device.power_on()
        await until(lambda: world.updates(1))
    assert device.trainings == [1, 1]
    assert [number for number, _ in device.heads] == [1, 1]


async def test_a_server_that_restarts_takes_the_training_up_and_asks_for_no_second_one(
    world: World, make_board: MakeBoard
) -> None:
    device = await make_board("board-1")
    device.goes_on.clear()
    world.begin("board-1")
    async with world.courier():
        world.open(1, "board-1")
        await until(lambda: device.trainings == [1])
    assert world.updates(1) == {}
    device.goes_on.set()
    async with world.courier():
        await until(lambda: world.updates(1))
    assert device.trainings == [1]


async def test_a_board_that_is_lost_holds_neither_the_others_nor_the_next_round(
    world: World, make_board: MakeBoard
) -> None:
    device = await make_board("board-1")
    world.begin("board-1", "board-2")
    async with world.courier():
        world.open(1, "board-1", "board-2")
        await until(lambda: world.updates(1))
        world.bring_forward(1, 0.5)
        await asyncio.sleep(0.7)
        world.open(2, "board-1", "board-2")
        await until(lambda: world.updates(2))
        assert device.trainings == [1, 2]
        await make_board("board-2")
        await until(lambda: len(world.updates(2)) == 2)
    assert set(world.updates(1)) == {"board-1"}


async def test_a_board_that_fails_says_why_and_is_asked_again_in_the_next_round(
    world: World, make_board: MakeBoard
) -> None:
    device = await make_board("board-1")
    device.fails = "the loss is no number"
    world.begin("board-1")
    async with world.courier():
        world.open(1, "board-1")
        await until(world.told)
        await asyncio.sleep(0.7)
        device.fails = None
        world.open(2, "board-1")
        await until(lambda: world.updates(2))
    detail = "The board failed to train: the loss is no number."
    assert world.told() == [{"endpoint": "board-1", "round": 1, "state": "failed", "detail": detail}]
    assert device.trainings == [1, 2]
    assert world.updates(1) == {}


async def test_a_board_that_is_busy_is_asked_again_in_the_same_round(world: World, make_board: MakeBoard) -> None:
    device = await make_board("board-1")
    device.busy = 2
    world.begin("board-1")
    async with world.courier():
        world.open(1, "board-1")
        await until(lambda: world.updates(1))
    [told] = world.told()
    assert (told["state"], "try again when it is done" in str(told["detail"])) == ("waiting", True)
    assert device.trainings == [1]


async def test_a_board_without_samples_is_waited_for_and_taught(world: World, make_board: MakeBoard) -> None:
    device = await make_board("board-1", samples=0)
    world.begin("board-1")
    async with world.courier():
        world.open(1, "board-1")
        await until(world.told)
        assert device.trainings == []
        device.teach(np.zeros((3, 48), np.float32), np.array([1, 2, 3]))
        await until(lambda: world.updates(1))
    [told] = world.told()
    assert (told["state"], "devices teach" in str(told["detail"])) == ("waiting", True)
    assert world.updates(1)["board-1"].samples == 3


async def test_a_board_with_another_head_is_not_asked_for_long(world: World) -> None:
    other = Parameters([Parameter("head/kernel", (12, 10)), Parameter("head/bias", (10,))])
    async with TrainingDevice(world.server.port, "board-1", other) as device:
        device.teach(np.zeros((3, 12), np.float32), np.array([1, 2, 3]))
        world.begin("board-1")
        async with world.courier():
            world.open(1, "board-1")
            await until(world.told)
    [told] = world.told()
    assert told["state"] == "failed"
    assert "4.00" in str(told["detail"])
    assert device.trainings == []


async def test_a_board_that_sleeps_takes_part_when_it_makes_contact(world: World, make_board: MakeBoard) -> None:
    device = await make_board("board-1", awake=1.0)
    world.begin("board-1")
    await until(lambda: world.server.is_asleep("board-1"))
    async with world.courier():
        world.open(1, "board-1")
        await asyncio.sleep(0.5)
        assert device.heads == []
        device.client.update_now()
        await until(lambda: world.updates(1))
    assert device.trainings == [1]


async def test_a_board_s_update_of_another_federation_is_not_taken_for_this_one(
    world: World, make_board: MakeBoard
) -> None:
    device = await make_board("board-1")
    world.begin("board-1")
    device.heads.append((1, tuple(np.zeros(item.shape, np.float32) for item in PARAMETERS)))
    await device._train(b"0='1',1='1',2='1000'")
    await until(lambda: device.update)
    async with world.courier():
        world.open(1, "board-1")
        await until(lambda: world.updates(1))
    assert device.trainings == [1, 1]
    assert world.updates(1)["board-1"].state == UpdateState.ACCEPTED


async def test_the_average_comes_back_to_every_board_once_also_to_one_that_was_away(
    world: World, make_board: MakeBoard
) -> None:
    here, away = await make_board("board-1"), await make_board("board-2")
    world.begin("board-1", "board-2")
    average: Weights = tuple(np.full(item.shape, 0.25, np.float32) for item in PARAMETERS)
    await away.lose_power()
    async with world.courier():
        world.finish(average)
        await until(lambda: here.uses and world.told())
        await until(lambda: ("board-2", "waiting") in [(told["endpoint"], told["state"]) for told in world.told()])
        await away.power_on()
        await until(lambda: away.uses)
        await until(lambda: [told["state"] for told in world.told()].count("delivered") == 2)
    async with world.courier():
        await asyncio.sleep(0.7)
    for device in (here, away):
        [(_, weights)] = device.heads
        assert same(weights, average)
    states = [(told["endpoint"], told["state"]) for told in world.told()]
    assert sorted(each for each in states if "delivered" in each) == [
        ("board-1", "delivered"),
        ("board-2", "delivered"),
    ]
    assert ("board-2", "waiting") in states


async def test_a_board_that_loses_power_before_the_average_is_in_its_flash_gets_it_again(
    world: World, make_board: MakeBoard
) -> None:
    device = await make_board("board-1")
    device.goes_on.clear()
    world.begin("board-1")
    async with world.courier():
        world.finish(world.weights)
        await until(lambda: device.heads)
        await until(lambda: device.state is BoardState.TRAINING)
        await device.lose_power()
        device.goes_on.set()
        await device.power_on()
        await until(lambda: device.uses)
        await until(lambda: "delivered" in [told["state"] for told in world.told()])
    assert len(device.heads) == 2


async def test_a_database_that_is_locked_for_once_does_not_end_a_board_s_errand(
    world: World, make_board: MakeBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_board("board-1")
    world.begin("board-1")
    assignment, failures = world.intake.assignment, ["locked", "locked"]

    def fails_twice(federation_id: str, who: Who) -> Assignment:
        if failures:
            raise OperationalError(failures.pop(), None, Exception())
        return assignment(federation_id, who)

    monkeypatch.setattr(world.intake, "assignment", fails_twice)  # a real lock lasts as long as another writer likes
    async with world.courier():
        world.open(1, "board-1")
        await until(lambda: world.updates(1))
    assert failures == []


async def test_an_average_is_owed_for_a_week(world: World) -> None:
    world.begin("board-1")
    errands = BoardErrands(world.database, world.intake)
    world.finish(world.weights, days_ago=6)
    assert [errand.endpoint for errand in errands.open()] == ["board-1"]
    world.finish(world.weights, days_ago=8)
    assert errands.open() == []


async def test_a_board_whose_flash_cannot_be_written_is_given_the_average_once(
    world: World, make_board: MakeBoard
) -> None:
    device = await make_board("board-1")
    device.fails = "the flash cannot be written"
    world.begin("board-1")
    async with world.courier():
        world.finish(world.weights)
        await until(world.told)
        await asyncio.sleep(0.7)
    [told] = world.told()
    assert (told["state"], told["detail"]) == (
        "failed",
        "The board failed to take the average: the flash cannot be written.",
    )
    assert len(device.heads) == 1


async def test_a_board_that_does_not_keep_the_average_is_not_given_it_for_ever(
    world: World, make_board: MakeBoard
) -> None:
    device = await make_board("board-1")
    device.forgets = True
    world.begin("board-1")
    async with world.courier():
        world.finish(world.weights)
        await until(world.told)
    [told] = world.told()
    assert (told["state"], told["detail"]) == ("failed", "The board lost the average 5 times.")
    assert len(device.heads) == 5
