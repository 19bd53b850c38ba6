"""Follows work on the server to its end by asking again, through short outages of the server."""

import codecs
from collections.abc import Callable
from typing import TypeVar

from app.cli.client import Answer, ApiClient, at
from app.cli.errors import Failed, OffContract, Unreachable
from app.cli.session import Session
from app.contract.models import Build, BuilderCheck, TrainingJob, TrainingMetrics, Update

Found = TypeVar("Found")

POLL_SECONDS = 0.3
PATIENCE_SECONDS = 15.0
"""A server that restarts carries its work on; so long an outage is waited out."""

BUILD_ENDED = frozenset({"succeeded", "failed", "cancelled"})
CHECK_ENDED = frozenset({"passed", "failed"})
TRAINING_ENDED = frozenset({"succeeded", "failed", "cancelled"})
UPDATE_ENDED = frozenset({"succeeded", "failed", "rolled-back", "cancelled"})


class Patience:
    """Asks, and forgives failures until the server was silent for too long."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._silent_since: float | None = None

    def __call__(self, ask: Callable[[], Found]) -> Found | None:
        """The answer, or None when there was none. Raises the last failure when patience is at its end."""
        try:
            found = ask()
        except OffContract:
            raise
        except (Unreachable, Failed):
            now = self._session.clock()
            if self._silent_since is None:
                self._silent_since = now
            if now - self._silent_since >= PATIENCE_SECONDS:
                raise
            return None
        self._silent_since = None
        return found


class LogFollower:
    """Reads a build's log from where it was left, and gives whole lines; UTF-8 may be cut anywhere."""

    def __init__(self, client: ApiClient, build_id: str, on_line: Callable[[str], None]) -> None:
        self._client = client
        self._path = at("builds", build_id, "log")
        self._on_line = on_line
        self._offset = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def read(self) -> None:
        """Everything that is there now."""
        while self._piece():
            pass

    def close(self) -> None:
        """Give what came after the last line end."""
        if rest := self._rest + self._decoder.decode(b"", final=True):
            self._on_line(rest)
        self._rest = ""

    def _piece(self) -> bool:
        response = self._client.text(self._path, {"offset": str(self._offset)})
        stated = response.headers.get("Next-Offset", "")
        following = int(stated) if stated.isascii() and stated.isdigit() else self._offset + len(response.content)
        if following <= self._offset:
            return False
        self._offset = following
        *lines, self._rest = (self._rest + self._decoder.decode(response.content)).split("\n")
        for line in lines:
            self._on_line(line.removesuffix("\r"))
        return True


def follow_build(
    session: Session, client: ApiClient, build_id: str, on_line: Callable[[str], None] | None
) -> Answer[Build]:
    """Wait until a build has ended, giving its log line by line when `on_line` is there."""
    log = LogFollower(client, build_id, on_line) if on_line is not None else None

    def ask() -> Answer[Build]:
        # The state comes first: a log read after the end is whole.
        answer = client.get(at("builds", build_id), Build)
        if log is not None:
            log.read()
        return answer

    patience = Patience(session)
    while True:
        answer = patience(ask)
        if answer is not None and answer.body.state in BUILD_ENDED:
            if log is not None:
                log.close()
            return answer
        session.sleep(POLL_SECONDS)


def follow_check(
    session: Session, client: ApiClient, builder_id: str, check_id: str, show: Callable[[BuilderCheck], None]
) -> Answer[BuilderCheck]:
    """Wait until a check has ended, showing how far it is."""
    patience = Patience(session)
    while True:
        answer = patience(lambda: client.get(at("builders", builder_id, "checks", check_id), BuilderCheck))
        if answer is not None:
            show(answer.body)
            if answer.body.state in CHECK_ENDED:
                return answer
        session.sleep(POLL_SECONDS)


def follow_update(
    session: Session, client: ApiClient, update_id: str, show: Callable[[Update], None]
) -> Answer[Update]:
    """Wait until an update has ended, showing every state."""
    patience = Patience(session)
    while True:
        answer = patience(lambda: client.get(at("updates", update_id), Update))
        if answer is not None:
            show(answer.body)
            if answer.body.state in UPDATE_ENDED:
                return answer
        session.sleep(POLL_SECONDS)


def follow_training(
    session: Session, client: ApiClient, job_id: str, show: Callable[[dict[str, float]], None]
) -> Answer[TrainingJob]:
    """Wait until a training job has ended, showing every epoch once."""
    shown = 0

    def ask() -> Answer[TrainingJob]:
        # The state comes first: figures that are read after the end are whole.
        nonlocal shown
        answer = client.get(at("training-jobs", job_id), TrainingJob)
        metrics = client.get(at("training-jobs", job_id, "metrics"), TrainingMetrics, {"after": str(shown)})
        for figures in metrics.body.epochs:
            show(figures)
            shown = int(figures["epoch"])
        return answer

    patience = Patience(session)
    while True:
        answer = patience(ask)
        if answer is not None and answer.body.state in TRAINING_ENDED:
            return answer
        session.sleep(POLL_SECONDS)
