"""A client of a federation on its device: what it sends, what it never sends, and what a kill costs it."""

import io
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.cli.federation_sites import HttpSite
from tests.support.federation_device import Device
from tests.support.federation_fake import BASE, FEDERATION, TOKEN, FederationFake, average, problem
from tests.support.trainable_digits import WHOLE, pictures
from zoo.federated.device_client import Ended
from zoo.federated.device_state import StateError
from zoo.federated.documents import Form
from zoo.federated.site import SiteBroken, SiteRefused, SiteUnreachable, Task
from zoo.training.on_device.budget import Budget
from zoo.training.on_device.trainer import LiteRtTrainer

MODEL = WHOLE.read_bytes()


@pytest.fixture
def fake() -> FederationFake:
    return FederationFake(MODEL)


@pytest.fixture
def device(fake: FederationFake, tmp_path: Path) -> Device:
    return Device(fake, tmp_path / "state")


def test_a_client_trains_every_round_from_the_average_and_ends_with_the_federation(
    fake: FederationFake, device: Device
) -> None:
    assert device.run() == Ended("done", 3)
    assert [part.round for part in device.parts] == [1, 2, 3]
    assert [(update.round, update.samples) for update in fake.taken] == [(1, 160), (2, 160), (3, 160)]
    first, last = device.parts[0].before.accuracy, device.parts[-1].after.accuracy
    assert first is not None
    assert last is not None
    assert (first < 0.4, last > 0.8) == (True, True), (first, last)
    assert list((device.folder).glob("update-*")) == []


def test_the_average_of_two_clients_is_weighted_by_their_samples(fake: FederationFake, tmp_path: Path) -> None:
    fake.clients, fake.rounds = 2, 1
    for number, rows in enumerate((slice(0, 30), slice(30, 120))):
        Device(fake, tmp_path / str(number), rows, f"{TOKEN}-{number}").run(rounds=1)
    one, other = fake.taken
    assert (one.samples, other.samples) == (30, 90)
    for mean, a, b in zip(average(fake.taken), one.weights, other.weights, strict=True):
        np.testing.assert_allclose(mean, 0.25 * a + 0.75 * b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("form", "most"), [("float32", 7_500), ("float16", 3_900), ("int8", 2_100)])
def test_both_ways_are_as_short_as_the_form_allows(fake: FederationFake, device: Device, form: Form, most: int) -> None:
    device.run(form=form)
    assert all(len(body) < most for body in fake.bodies)
    asked = [request.url.params["form"] for request in fake.came if request.url.path.endswith("/model")]
    assert asked == [form] * 3
    assert device.parts[-1].after.figure > 0.8


def test_weights_that_do_not_go_into_the_form_cost_a_round_and_not_the_client(
    fake: FederationFake, device: Device
) -> None:
    fake.training = {**fake.training, "learning_rate": 10.0}
    fake.weights = tuple(np.full(array.shape, 60_000, np.float32) for array in fake.weights)

    def end(request: httpx.Request) -> None:
        if device.told and request.url.path.endswith("/assignment"):
            fake.now = fake.rounds + 1

    fake.before_answer = end
    assert device.run(form="float16") == Ended("done", 0)
    [told] = device.told
    assert told.startswith("Round 1: sitting out. A weight of ")
    assert fake.bodies == []


def test_003_7_not_one_sample_or_label_leaves_the_device(fake: FederationFake, device: Device) -> None:
    device.run()
    sent = b"\n".join(
        b"".join([str(request.url).encode(), *(k + v for k, v in request.headers.raw), request.content])
        for request in fake.came
    )
    x, y = pictures(device.rows, turned=True)
    given = LiteRtTrainer(MODEL).document.samples(x)
    secrets = _pieces(x, given, y)
    assert len(secrets) > 500
    assert [piece for piece in secrets if piece in sent] == []
    # The search would find them: a document that held one row of one sample is caught.
    assert [piece for piece in secrets if piece in sent + given[7].tobytes()] != []
    assert sum(len(request.content) for request in fake.came) < 3 * 7_500, "weights of three rounds, and nothing else"


def _pieces(x: np.ndarray, given: np.ndarray, y: np.ndarray) -> set[bytes]:
    """Rows of every picture, as bytes and as floats, and runs of labels in every form that numpy has for them."""
    found: set[bytes] = set()
    for sample in (*x, *given):
        found |= {row.tobytes() for row in sample if len(set(row.tobytes())) > 4}
    for dtype in ("u1", "<i2", "<i4", "<i8", "<f4"):
        labels = y.astype(dtype)
        found |= {labels[start : start + 8].tobytes() for start in range(0, len(labels) - 8, 8)}
    packed = io.BytesIO()
    np.savez(packed, x=x)
    found.add(packed.getvalue()[200:264])
    return found


class Killed(BaseException):
    """The process is gone: nothing after the instruction runs, and no handler."""


def test_003_6_a_client_killed_in_the_middle_of_a_training_sends_what_it_would_have_sent(
    tmp_path: Path,
) -> None:
    class Mortal(Budget):
        def spend(self) -> str | None:
            if self.steps == 9:
                raise Killed
            return super().spend()

    undisturbed = Device(FederationFake(MODEL), tmp_path / "undisturbed")
    undisturbed.run(rounds=1)
    killed = Device(FederationFake(MODEL), tmp_path / "killed")
    with pytest.raises(Killed):
        killed.run(rounds=1, checkpoint_seconds=0, budget=Mortal())
    assert killed.fake.bodies == []
    downloads = [request.url.path for request in killed.fake.came]
    assert killed.run(rounds=1, checkpoint_seconds=0) == Ended("rounds", 1)
    assert "Round 1: going on after 9 steps." in killed.told
    assert killed.fake.bodies == undisturbed.fake.bodies
    after = [request.url.path for request in killed.fake.came][len(downloads) :]
    assert f"{BASE}/rounds/1/model" not in after, "the global model is still there"


@pytest.mark.parametrize("taken", [False, True])
def test_003_6_a_client_killed_while_it_sends_repeats_the_same_bytes(
    fake: FederationFake, device: Device, taken: bool
) -> None:
    fake.clients = 2  # so that the round stays open

    def die(request: httpx.Request) -> None:
        if request.method == "POST":
            if taken:
                fake._take(TOKEN, 1, request.content)
            raise Killed

    fake.before_answer = die
    with pytest.raises(Killed):
        device.run(rounds=1)
    fake.before_answer = lambda _: None
    kept = device.state.update(_task(fake))
    assert kept is not None
    if taken:
        assert fake.bodies == [kept]
        assert fake.handle(_post(kept)).status_code == 201, "the same bytes are answered as before"
    else:
        assert device.run(rounds=1) == Ended("rounds", 1)
        assert fake.bodies == [kept]
        assert device.told[-1] == "Round 1: the update that was trained before a restart is handed over."


def _task(fake: FederationFake) -> Task:
    fake._open.clear()
    return Task.of(fake._assignment(TOKEN))


def _post(body: bytes) -> httpx.Request:
    return httpx.Request(
        "POST", f"http://server{BASE}/rounds/1/updates", content=body, headers={"Authorization": f"Bearer {TOKEN}"}
    )


def test_a_server_that_is_away_for_a_while_is_waited_for_longer_and_longer(
    fake: FederationFake, device: Device
) -> None:
    fake.failures += [httpx.ConnectError("refused")] * 4 + [httpx.Response(503)] * 4
    device.run(rounds=1)
    assert len(device.slept) == 8
    assert all(0.5 * 2**n <= pause <= 2**n for n, pause in enumerate(device.slept[:6]))
    assert max(device.slept) <= 60
    assert "does not answer" in device.told[0]


def test_patience_has_an_end_when_one_is_given(fake: FederationFake, device: Device) -> None:
    fake.failures += [httpx.ConnectError("refused")] * 100
    with pytest.raises(SiteUnreachable):
        device.run(patience=30)
    assert 30 <= device.now < 60


def test_a_refusal_of_the_round_ends_the_part_in_it_and_the_next_round_is_played(
    fake: FederationFake, device: Device
) -> None:
    refused = iter([problem(422, "outlier", "The update moves further than those of the others.")])

    def answer(request: httpx.Request) -> None:
        if request.method == "POST" and (told := next(refused, None)) is not None:
            fake.failures.append(told)
        if len(device.slept) == 3 and fake.now == 1:  # the others close the round meanwhile
            fake.now = 2

    original = fake.handle

    def handle(request: httpx.Request) -> httpx.Response:
        answer(request)
        return original(request)

    fake.handle = handle  # type: ignore[method-assign]  # the fake itself is what the test changes
    assert device.run() == Ended("done", 2)
    assert device.told[0] == (
        "Round 1: sitting out. The update moves further than those of the others. Look at the assignment."
    )
    assert [update.round for update in fake.taken] == [2, 3]


def test_a_token_that_is_not_known_ends_the_client_at_once(fake: FederationFake, device: Device) -> None:
    device.token = "another"  # noqa: S105 - a test's
    with pytest.raises(SiteRefused) as refused:
        device.run()
    assert refused.value.code == "token_invalid"
    assert len(fake.came) == 1


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"action": "train", "round": 1},
        {"action": "explode", "round": 1},
        {"action": "train", "round": 1, "base": "00", "training": {"epochs": 1, "learning_rate": 1, "max_samples": 1}},
        {
            "action": "train",
            "round": -1,
            "base": "00" * 32,
            "training": {"epochs": 1, "learning_rate": 1, "max_samples": 1},
        },
        {
            "action": "train",
            "round": 1,
            "base": "00" * 32,
            "training": {"epochs": 10**9, "learning_rate": 1, "max_samples": 1},
        },
        {
            "action": "train",
            "round": 1,
            "base": "00" * 32,
            "training": {"epochs": 1, "learning_rate": float("nan"), "max_samples": 1},
        },
    ],
)
def test_an_answer_that_is_no_assignment_is_told_from_one(document: object) -> None:
    with pytest.raises(SiteBroken):
        Task.of(document)


def test_a_model_that_is_not_the_one_of_the_assignment_is_not_trained(fake: FederationFake, device: Device) -> None:
    def other(request: httpx.Request) -> None:
        if request.url.path.endswith("/assignment"):
            fake.weights = tuple(array + 0 for array in genuine)
        if request.url.path.endswith("/model"):
            fake.weights = tuple(array + 1 for array in genuine)
        if len(device.slept) == 2:
            fake.now = 99

    genuine = fake.weights
    fake.before_answer = other
    assert device.run() == Ended("done", 0)
    assert "The model that came is not the one that round 1 is about." in device.told[0]


def test_003_7_who_opts_out_sends_nothing_any_more_and_may_come_back(fake: FederationFake, device: Device) -> None:
    def opt_out(request: httpx.Request) -> None:
        if request.url.path.endswith("/model"):
            device.state.opt_out()

    fake.before_answer = opt_out
    assert device.run() == Ended("opted-out", 0)
    assert fake.taken == []
    assert list(device.folder.glob("update-*")) == []
    asked = len(fake.came)
    assert device.run() == Ended("opted-out", 0)
    assert len(fake.came) == asked, "not even a question"
    fake.before_answer = lambda _: None
    device.state.opt_in()
    assert device.run() == Ended("done", 3)


def test_003_7_who_opts_out_while_the_server_is_away_sends_nothing_when_it_is_back(
    fake: FederationFake, device: Device
) -> None:
    def go_away(request: httpx.Request) -> None:
        if request.method == "POST":
            device.state.opt_out()
            raise httpx.ConnectError("refused")

    fake.before_answer = go_away
    assert device.run() == Ended("opted-out", 0)
    assert [request.method for request in fake.came].count("POST") == 1, "the attempt before"
    assert list(device.folder.glob("update-*")) == []


def test_003_8_steps_that_run_out_send_what_was_learned_and_a_low_battery_sends_nothing(
    fake: FederationFake, device: Device, tmp_path: Path
) -> None:
    device.run(rounds=1, budget=Budget(max_steps=5))
    assert [part.steps for part in device.parts] == [5]
    battery = tmp_path / "supply" / "BAT0"
    battery.mkdir(parents=True)
    (battery / "type").write_text("Battery\n")
    (battery / "capacity").write_text("5\n")

    def charge(_: httpx.Request) -> None:
        if len(device.slept) == 3:
            (battery / "capacity").write_text("80\n")

    fake.before_answer = charge
    device.run(budget=Budget(battery_min_percent=30, power_supply=battery.parent))
    assert device.told == ["Not training now: the battery is at 5 %, and training needs 30 %."] * 3
    assert [update.round for update in fake.taken] == [1, 2, 3]


def test_no_more_samples_are_used_than_the_federation_believes(fake: FederationFake, device: Device) -> None:
    fake.training["max_samples"] = 40
    device.run()
    assert [update.samples for update in fake.taken] == [40, 40, 40]


def test_two_clients_in_one_folder_and_two_federations_in_one_folder_are_refused(device: Device) -> None:
    with (
        device.state.held(FEDERATION),
        pytest.raises(StateError, match="Another client works"),
        device.state.held(FEDERATION),
    ):
        pass
    with (
        pytest.raises(StateError, match="belongs to federation fed_0123456789abcdef, not to fed_other"),
        device.state.held("fed_other"),
    ):
        pass


Answer = Callable[[httpx.Request], httpx.Response]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda _: httpx.Response(200, content=b"x" * 70_000), "more than 65536 bytes"),
        (lambda _: httpx.Response(200, content=b"{"), "no JSON"),
        (lambda _: httpx.Response(200, content=b"[" * 60_000), "no JSON"),
        (lambda _: httpx.Response(404, content=b"not here"), "no problem in JSON"),
    ],
)
def test_what_is_no_federation_is_told_from_one(answer: Answer, words: str) -> None:
    with (
        HttpSite("http://server", FEDERATION, TOKEN, httpx.MockTransport(answer)) as site,
        pytest.raises(SiteBroken) as broken,
    ):
        site.task(0)
    assert words in str(broken.value)
    assert broken.value.remedy
