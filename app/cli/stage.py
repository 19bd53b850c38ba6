"""The demo's steps: each starts or asks something, waits until it is so, and says so."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

from app.cli.builders import register_shipped
from app.cli.client import ApiClient, at
from app.cli.errors import CliError, EndedBadly, Failed, OffContract, Refused, Unreachable
from app.cli.fleet import Factory, Habits, signing_point, told
from app.cli.processes import FreePort, Program, Programs
from app.cli.proof import Proof
from app.cli.session import Session
from app.cli.updates import create_update
from app.cli.waiting import BUILD_ENDED, follow_build, follow_update
from app.contract.models import (
    Board,
    Build,
    BuildRequest,
    Device,
    ModelVersion,
    Readiness,
    Update,
    UpdateExplanation,
    UpdateRequest,
)
from edge.fleet import Fleet
from edge.os_board import machine_command
from zoo.errors import ModelError
from zoo.oracle import golden_vectors

Found = TypeVar("Found")

OS_BOARD = "mps2-an386-os"
OS_ENDPOINT = "os-board"
QEMU = "qemu-system-arm"
READY_SECONDS = 90.0
ONLINE_SECONDS = 60.0
CANCEL_SECONDS = 6.0
LOOK_SECONDS = 0.2
GOLDEN_VECTORS = 8
"""As many as the demo's server computes: it runs on defaults."""


@dataclass
class Stage:
    """One demo in one folder. Steps raise CliError; `explained` adds the log of the program that has the answer."""

    session: Session
    client: ApiClient
    programs: Programs
    folder: Path
    began: float
    endpoint: str
    _scene: Program | None = field(default=None)

    def __post_init__(self) -> None:
        """Make whatever waits notice that a program has ended, instead of waiting for it."""
        self.session = replace(self.session, sleep=self._sleep)

    def say(self, text: str) -> None:
        """One line of the story."""
        line = f"{time.monotonic() - self.began:6.1f} s  {text}"
        if self.session.output.json:
            self.session.output.note(line)
        else:
            self.session.output.line(line)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn a failure of a step into a sentence, after the last lines of the log that tells why."""
        try:
            yield
        except CliError as error:
            ended = self.programs.dead()
            program = ended or self._scene
            if program is not None:
                self.session.output.note(f"The last lines of {program.log}:")
                for line in program.tail():
                    self.session.output.note(f"  {line}")
            remedy = error.remedy if ended is None else f"Its whole log is {ended.log}."
            raise EndedBadly(error.detail, remedy) from error

    def start_server(self, http: FreePort, lwm2m: FreePort) -> None:
        """Start a server on free ports and wait until it is ready."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TINYMLAAS_")},
            "TINYMLAAS_DATA_DIR": str(self._data),
            "TINYMLAAS_HOST": "127.0.0.1",
            "TINYMLAAS_PORT": str(http.number),
            "TINYMLAAS_LWM2M_HOST": "127.0.0.1",
            "TINYMLAAS_LWM2M_PORT": str(lwm2m.number),
            "TINYMLAAS_LWM2M_DTLS_PORT": "0",
        }
        http.release()
        lwm2m.release()
        command = [sys.executable, "-m", "app.cli", "serve"]
        self._scene = self.programs.start("server", command, self.folder / "server.log", environment)
        with self.session.output.spinner("Starting the server"):
            ready = self._wait_for(self._ready, READY_SECONDS, "The server did not become ready")
        self.say(f"The server is ready: {self.session.server}, {ready.lwm2m}")
        if ready.builder_engine == "local":
            self.say("No Docker Engine answers: the shipped builder runs as a local process under resource limits.")

    def register_builder(self) -> None:
        """Make the shipped builder's image, where there is an engine, and register it."""
        self._scene = None  # it is this process that makes the image, and its log is on the screen
        with self.session.output.spinner("Making the builder's image: the first time takes a minute or two"):
            builder = register_shipped(self.client, self._log_line).body
        self.say(f"Builder {builder.name} {builder.version} is registered: {builder.digest}")

    def start_board(self, board: str, lwm2m_port: int) -> None:
        """Start the agent with an emulated board behind it and wait until it has registered over LwM2M."""
        command = [
            *(sys.executable, "-m", "edge", "--server", f"coap://127.0.0.1:{lwm2m_port}"),
            *("--endpoint", self.endpoint, "--board", board),
            *(
                "--public-key",
                str(self._data / "keys" / "signing-public.pem"),
                "--state-dir",
                str(self.folder / "edge"),
            ),
        ]
        self._scene = self.programs.start("edge agent", command, self.folder / "edge.log", os.environ)
        with self.session.output.spinner("Starting the board"):
            device = self._wait_for(self._online, ONLINE_SECONDS, f"{self.endpoint} did not register over LwM2M")
        self.say(f"Board {self.endpoint} ({board}) is registered over LwM2M from {device.address}")

    def prove(self, name: str, board: str, firmware_version: str, delivery: Literal["push", "pull"]) -> Proof:
        """Build a model, deliver it, and compare what the board computed with the oracle run here."""
        server, agent = self.programs.running
        self._scene = server
        build = self._build(name, board, firmware_version)
        expected = self._expected(build)
        self._scene = agent
        update = self._update(build, delivery)
        return self._proven(Proof.of(build, update, expected))

    def _proven(self, proof: Proof) -> Proof:
        size = sum(map(len, proof.expected))
        verdict = f"reproduced all {size:,} bytes" if proof.agreed else "did NOT reproduce the bytes"
        self.say(f"{self.endpoint} runs {proof.update.reported_version} and {verdict} of the golden outputs")
        return proof

    def start_os_board(self, model: str) -> bool:
        """Manufacture a board that updates itself and wait until it registered by itself; False where none is built."""
        boards = self.client.listing(at("boards"), Board, limit=None).items
        docker = self.client.get("/readyz", Readiness).body.builder_engine == "docker"
        if not docker or OS_BOARD not in {board.name for board in boards}:
            self.say(f"No builder makes firmware for {OS_BOARD} here: the second part is left out.")
            return False
        self._scene = self.programs.running[0]
        self.endpoint = OS_ENDPOINT
        board = Fleet(self.folder / "fleet").board(OS_ENDPOINT)
        # Back to back, by a clock that counts instructions: the gaps are those of inference and not of this machine.
        habits = Habits(period_us=0, lifetime_s=120, counts_instructions=True)
        key = signing_point(self._data / "keys" / "signing-public.pem")
        with told(), self.session.output.spinner(f"Building {model} for {OS_BOARD}"):
            Factory(self.session, self.client, OS_BOARD, model, key, habits).make(board)
        command = machine_command(OS_BOARD, board.folder, QEMU, "stdio", counts_instructions=True)
        self._scene = self.programs.start("board", command, self.folder / "os-board.log", os.environ)
        with self.session.output.spinner("Starting the board"):
            device = self._wait_for(self._identified, ONLINE_SECONDS, f"{self.endpoint} did not register over LwM2M")
        self.say(f"Board {self.endpoint} ({OS_BOARD}) is registered over DTLS by itself, with {device.model}")
        return True

    def prove_itself(self, name: str, firmware_version: str, method: Literal["fota", "sota"]) -> Proof:
        """Build a model for the board that updates itself, and have it take the model alone, or the whole firmware."""
        self._scene = self.programs.running[0]
        build = self._build(name, OS_BOARD, firmware_version)
        expected = self._expected(build)
        self._scene = self.programs.running[-1]
        request = UpdateRequest.model_construct(
            endpoint=self.endpoint, build_id=build.id, method=method, delivery="push"
        )
        update = self._updated(request)
        self.say(update.choice_reason or "")
        return self._proven(Proof.of(build, update, expected))

    @property
    def _data(self) -> Path:
        return self.folder / "server"

    def _build(self, name: str, board: str, firmware_version: str) -> Build:
        request = BuildRequest.model_construct(model=name, board=board, firmware_version=firmware_version)
        build = self.client.post(at("builds"), Build, request).body
        self.say(f"Building {build.model}@{build.version} for {board}: {build.id}")
        try:
            with self.session.output.spinner(f"Building {name}"):
                build = follow_build(self.session, self.client, build.id, self._log_line).body
        except BaseException:
            self._cancel(build.id)
            raise
        if build.error is not None:
            raise EndedBadly(f"Build {build.id} failed: {build.error.detail}", build.error.remedy)
        if build.artifact_sha256 is None:
            raise EndedBadly(f"Build {build.id} ended as {build.state}, without an artifact.")
        self.say(f"Built and signed: {build.firmware_version}, sha256 {build.artifact_sha256}")
        return build

    def _cancel(self, build_id: str) -> None:
        """A builder's container outlives its server on purpose; the demo's shall not."""
        with self.programs.interruptions.held():
            try:
                build = self.client.post(at("builds", build_id, "cancellation"), Build).body
                deadline = time.monotonic() + CANCEL_SECONDS
                while build.state not in BUILD_ENDED and time.monotonic() < deadline:
                    time.sleep(LOOK_SECONDS)
                    build = self.client.get(at("builds", build_id), Build).body
            except CliError as error:
                self.say(f"Build {build_id} was not cancelled: {error.detail}")

    def _expected(self, build: Build) -> list[bytes]:
        """The golden outputs, computed here from the model's bytes: independent of server, builder and board."""
        version = self.client.get(at("models", build.model, "versions", build.version), ModelVersion).body
        path = self.folder / "model.tflite"
        with path.open("wb") as file:
            self.client.download(
                at("models", build.model, "versions", build.version, "content"), version.sha256, file, _uncounted
            )
        try:
            vectors = golden_vectors(path.read_bytes(), count=GOLDEN_VECTORS)
        except ModelError as error:
            raise EndedBadly(f"The oracle did not run {build.model}: {error}", error.remedy) from error
        return [b"".join(vector.outputs) for vector in vectors]

    def _update(self, build: Build, delivery: Literal["push", "pull"]) -> Update:
        if build.artifact_sha256 is None:
            raise EndedBadly(f"Build {build.id} has no artifact.")
        request = UpdateRequest.model_construct(
            endpoint=self.endpoint, artifact_sha256=build.artifact_sha256, delivery=delivery
        )
        return self._updated(request)

    def _updated(self, request: UpdateRequest) -> Update:
        update = create_update(self.client, request).body
        how = "the server writes it" if update.delivery == "push" else "the device fetches it"
        self.say(f"Updating {self.endpoint} by {update.delivery} over LwM2M ({how}): {update.id}")
        with self.session.output.state_bar(f"Updating {self.endpoint}") as bar:
            update = follow_update(
                self.session,
                self.client,
                update.id,
                lambda found: bar(found.state, found.bytes_sent, found.bytes_total),
            ).body
        # Some states last milliseconds: what happened is told from the record and not from what was seen of it.
        explanation = self.client.get(at("updates", update.id, "explain"), UpdateExplanation).body
        for step in explanation.steps:
            self.session.output.note(f"          | {step.state}: {step.text}")
        if update.state != "succeeded":
            raise EndedBadly(f"The update {update.state}: {explanation.summary}", explanation.next)
        return update

    def _ready(self) -> Readiness | None:
        readiness = self.client.get("/readyz", Readiness).body
        return readiness if readiness.ready else None

    def _online(self) -> Device | None:
        device = self.client.get(at("devices", self.endpoint), Device).body
        return device if device.reachability == "online" else None

    def _identified(self) -> Device | None:
        device = self._online()
        return device if device is not None and device.model_slots else None

    def _wait_for(self, ask: Callable[[], Found | None], seconds: float, otherwise: str) -> Found:
        """Ask until there is an answer: a server that starts does not answer yet, a device is not known yet."""
        deadline = time.monotonic() + seconds
        while True:
            found = None
            try:
                found = ask()
            except OffContract:
                raise
            except (Unreachable, Failed, Refused) as error:
                reason = error.detail
            else:
                reason = "it answers that it is not"
            if found is not None:
                return found
            if time.monotonic() > deadline:
                raise EndedBadly(f"{otherwise} within {seconds:.0f} s: {reason}")
            self.session.sleep(LOOK_SECONDS)

    def _sleep(self, seconds: float) -> None:
        time.sleep(seconds)
        ended = self.programs.dead()
        if ended is not None:
            raise EndedBadly(f"The {ended.name} ended by itself.")

    def _log_line(self, line: str) -> None:
        self.session.output.note(f"          | {line}")


def _uncounted(passed: int, total: int | None) -> None:
    """Counts nothing."""
