"""A factory board with the device OS over DTLS: firmware and models come and go, inputs are answered, power is cut."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import docker
import pytest

from tests.e2e.conftest import MakeImage, World, update_ended
from tests.support.digits import digits, npz
from tests.support.edge import EdgeProcess
from tests.support.server import ServerProcess

pytestmark = [pytest.mark.docker, pytest.mark.qemu]

BOARD = "mps2-an386-os"
SEEN_FROM_A_BOARD = "10.0.2.2"


@dataclass
class OsWorld(World):
    """A server that emulated boards reach, and the folder of its boards."""

    boards: Path

    def fleet(self, *words: str, name: str = "") -> str:
        """`tinymlaas boards ...` on this world's folder."""
        made = self.command("boards", *words, "--folder", str(self.boards), *(("--name", name) if name else ()))
        assert made.returncode == 0, f"{made.stdout}\n{made.stderr}"
        return made.stdout

    def start(self, name: str, model: str, *more: str, count: int = 1) -> None:
        """Manufacture boards and wait until they have registered and said what they run."""
        key = self.server.data_dir / "keys" / "signing-public.pem"
        words = ("start", "--board", BOARD, "--model", model, "--count", str(count), "--public-key", str(key))
        self.fleet(*words, *more, name=name)
        for number in range(1, count + 1):
            self.wait_for_device(f"{name}-{number}", lambda told: bool(told["model_slots"]), seconds=60)

    def updated(self, endpoint: str, **wanted: Any) -> dict[str, Any]:
        """An update to its end, whichever."""
        answer = self.api.post("/v1/updates", json={"endpoint": endpoint, **wanted})
        assert answer.status_code == 202, answer.text
        return self.wait(f"/v1/updates/{answer.json()['id']}", update_ended)

    def steps(self, update: dict[str, Any]) -> list[str]:
        """The states that an explanation shows, each once."""
        words = self.command("updates", "explain", update["id"], "--json")
        states = [step["state"] for step in json.loads(words.stdout)["steps"]]
        return [state for at, state in enumerate(states) if at == 0 or state != states[at - 1]]


Found = TypeVar("Found", bound=OsWorld)


@contextmanager
def running(
    kind: type[Found], engine: docker.DockerClient, image: str, folder: Path, **settings: str
) -> Iterator[Found]:
    """A world with the shipped builder; its boards and its server are stopped at the end."""
    server = ServerProcess(folder / "data", lwm2m_public_host=SEEN_FROM_A_BOARD, **settings)
    server.start()
    nobody = EdgeProcess(server, "nobody", folder / "edge")
    nobody.log.touch()
    with server.client() as api:
        found = kind(server, nobody, api, engine, folder / "boards")
        try:
            api.post("/v1/builders", json={"image": image}).raise_for_status()
            yield found
        finally:
            found.command("boards", "stop", "--folder", str(found.boards))
    assert server.stop() == 0, server.tail()


@pytest.fixture(scope="module")
def world(
    engine: docker.DockerClient, shipped_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OsWorld]:
    with running(OsWorld, engine, shipped_image, tmp_path_factory.mktemp("os"), update_seconds="60") as found:
        yield found


@pytest.fixture(scope="module")
def builds(world: OsWorld) -> dict[str, dict[str, Any]]:
    made = {name: world.build(name, board=BOARD) for name in ("digits-cnn", "hello-world-sine")}
    made["sine again"] = world.build("hello-world-sine", board=BOARD, firmware_version="1.1.0")
    assert {build["state"] for build in made.values()} == {"succeeded"}, made
    return made


def test_a_factory_board_takes_firmware_and_models_and_every_step_is_explained(
    world: OsWorld, builds: dict[str, dict[str, Any]]
) -> None:
    world.start("board", "digits-cnn")
    endpoint, digits, sine = "board-1", builds["digits-cnn"], builds["hello-world-sine"]
    assert world.api.get(f"/v1/devices/{endpoint}").json()["address"].startswith("coaps://")

    alone = world.updated(endpoint, build_id=sine["id"], delivery="pull")
    assert (alone["state"], alone["kind"], alone["slot"]) == ("succeeded", "sota", "model-a"), alone
    assert alone["report"]["verdict"] == "passed"
    assert world.steps(alone)[-1] == "succeeded"
    shown = world.api.get(f"/v1/devices/{endpoint}").json()
    assert (shown["model"], shown["model_source"]) == ("hello-world-sine", "a")

    home = world.updated(endpoint, build_id=digits["id"])
    assert (home["state"], home["slot"], home["bytes_sent"]) == ("succeeded", "built-in", 0), home
    assert world.steps(home) == ["pending", "verifying", "succeeded"]
    again = world.updated(endpoint, build_id=sine["id"], method="sota")
    assert (again["state"], again["slot"], again["bytes_sent"]) == ("succeeded", "model-a", 0), again

    for build, delivery in ((sine, "push"), (builds["sine again"], "pull")):
        whole = world.updated(endpoint, build_id=build["id"], method="fota", delivery=delivery)
        assert (whole["state"], whole["kind"], whole["delivery"]) == ("succeeded", "fota", delivery), whole
        assert whole["report"]["received_sha256"] == whole["report"]["expected_sha256"]
        assert whole["reported_version"] == build["firmware_version"]
        assert world.steps(whole)[0] == "pending"
        assert world.steps(whole)[-1] == "succeeded"
    shown = world.api.get(f"/v1/devices/{endpoint}").json()
    assert (shown["model_source"], shown["artifact_sha256"]) == ("built-in", whole["artifact_sha256"])


def test_an_input_to_the_board_is_answered_as_on_the_server(world: OsWorld, builds: dict[str, dict[str, Any]]) -> None:
    world.updated("board-1", build_id=builds["digits-cnn"]["id"])
    sample = Path("zoo/catalog/digits-cnn/sample.json")
    answer = world.command("devices", "infer", "board-1", "--input", str(sample), "--json")
    assert answer.returncode == 0, answer.stderr
    results = json.loads(answer.stdout)["results"]
    expected = world.api.post("/v1/models/digits-cnn/predict", json=json.loads(sample.read_text())).json()["prediction"]
    assert [result["prediction"] for result in results] == expected
    assert [result["label"] for result in results] == ["3", "7"]


def test_a_board_that_sees_inverted_digits_raises_an_alarm(world: OsWorld, builds: dict[str, dict[str, Any]]) -> None:
    if world.api.get("/v1/devices/board-1").json()["model"] != "digits-cnn":
        world.updated("board-1", build_id=builds["digits-cnn"]["id"])
    world.api.post("/v1/datasets", json={"name": "digits"}).raise_for_status()
    octets = {"Content-Type": "application/octet-stream"}
    world.api.post("/v1/datasets/digits/samples", content=npz(slice(None)), headers=octets).raise_for_status()
    snapshot = world.api.post("/v1/datasets/digits/snapshots", json={}).json()["sha256"]
    options = ("--snapshot", snapshot, "--window", "30", "--consecutive", "1", "--json")
    watched = world.command("drift", "watch", "digits-cnn", *options)
    assert watched.returncode == 0, watched.stderr
    pictures, _ = digits()
    for inverted, alarms in ((False, 0), (True, 1)):
        seen = (255 - pictures[:30] if inverted else pictures[:30]) / 255
        for half in (seen[:15], seen[15:]):
            answer = world.api.post("/v1/devices/board-1/inference", json={"instances": half.tolist()})
            assert answer.status_code == 200, answer.text
        path = f"/v1/drift-monitors/{json.loads(watched.stdout)['id']}/devices/board-1"
        world.wait(path, lambda found, windows=1 + alarms: found["device"]["windows"] == windows)
        assert len(world.api.get("/v1/alarms").json()["items"]) == alarms
    assert "input_mean" in world.command("alarms", "list").stdout


def test_inference_goes_on_while_a_model_arrives(world: OsWorld, builds: dict[str, dict[str, Any]]) -> None:
    world.start("exact", "hello-world-sine", "--exact", "--period", "0")
    for build in (builds["sine again"], builds["digits-cnn"]):
        update = world.updated("exact-1", build_id=build["id"], delivery="push")
        assert (update["state"], update["kind"]) == ("succeeded", "sota"), update
        figures = update["inference"]
        assert figures["inferences"] > 1000
        assert 0 < figures["longest_gap_ticks"] < 2 * figures["inference_ticks"], figures
        # What the old model took of the processor meanwhile is not the new one's.
        assert update["report"]["instructions"] < 1.2 * build["performance"]["instructions"]


def test_power_cut_in_the_midst_of_an_update_leaves_a_board_that_says_what_it_runs_and_a_stopped_one_keeps_its_flash(
    world: OsWorld, builds: dict[str, dict[str, Any]]
) -> None:
    world.start("cut", "digits-cnn", count=2)
    factory = builds["digits-cnn"]["firmware_version"]
    for method, build in (("sota", builds["hello-world-sine"]), ("fota", builds["sine again"])):
        wanted = {"endpoint": "cut-1", "build_id": build["id"], "method": method}
        answer = world.api.post("/v1/updates", json=wanted)
        assert answer.status_code == 202, answer.text
        time.sleep(0.3)
        world.fleet("cut", "cut-1", "--for", "0.2")
        ended = world.wait(f"/v1/updates/{answer.json()['id']}", update_ended)
        # On its trial a firmware that lost its power is not kept; whatever it was, the device says what it runs now.
        assert ended["state"] in {"succeeded", "rolled-back", "failed"}, ended
        assert len(ended["reason"]) > 20, ended["reason"]
        runs = build["firmware_version"] if ended["state"] == "succeeded" and method == "fota" else factory
        world.wait_for_device("cut-1", lambda told, runs=runs: told["firmware_version"] == runs, seconds=60)
    assert "boot: " in world.fleet("log", "cut-1")

    before = world.api.get("/v1/devices/cut-1").json()
    world.fleet("stop", "cut-1")
    power = {board["endpoint"]: board["pid"] for board in json.loads(world.fleet("status", "--json"))}
    assert power["cut-1"] is None
    assert power["cut-2"] is not None
    world.start("cut", "digits-cnn", count=2)
    world.wait_for_device("cut-1", lambda told: told["address"] != before["address"], seconds=60)
    after = world.api.get("/v1/devices/cut-1").json()
    assert after["firmware_version"] == before["firmware_version"]
    flash = world.boards / "cut-1" / "flash.bin"
    assert flash.stat().st_mode & 0o077 == 0


def test_firmware_with_another_abi_comes_whole_and_the_answer_says_why(world: OsWorld, make_image: MakeImage) -> None:
    device = world.api.get("/v1/devices/board-1").json()
    smaller = 'sed -i \'s/"window_bytes": 1048576/"window_bytes": 524288/\' /opt/builder/boards/mps2-an386-os.json'
    image = make_image(f"FROM SHIPPED\nUSER root\nRUN {smaller}\nUSER 65532:65532\n")
    builder = world.api.post("/v1/builders", json={"image": image}).raise_for_status().json()["id"]
    build = world.build("digits-cnn", board=BOARD, builder_id=builder, firmware_version="2.0.0")
    assert build["state"] == "succeeded", build

    alone = world.api.post("/v1/updates", json={"endpoint": "board-1", "build_id": build["id"], "method": "sota"})
    assert (alone.status_code, alone.json()["slug"]) == (422, "no_delivery"), alone.text
    assert "ABI" in alone.json()["detail"]

    update = world.updated("board-1", build_id=build["id"], delivery="pull")
    assert (update["state"], update["kind"]) == ("succeeded", "fota"), update
    assert "ABI" in update["choice_reason"]
    assert update["report"]["received_sha256"] == update["report"]["expected_sha256"]
    shown = world.api.get("/v1/devices/board-1").json()
    assert shown["firmware_version"] == build["firmware_version"]
    assert shown["abi"] not in {None, device["abi"]}
