"""The image under test: its trials, each made once, when a rule first asks for it."""

from __future__ import annotations

import re
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from builders.conformance.models import ConformanceModel, ConformanceModels, input_files
from builders.conformance.rule import Untried
from builders.contract import LABEL, Board, Estimate, Failure, FirmwareVersion, Manifest, Success, parse_manifest
from builders.errors import BadManifestError, BuilderError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker.models.images import Image

    from builders.conformance.trial import Laboratory, Trial

VERSION = FirmwareVersion(3, 1, 4, 159265)
"""No default of any builder: it can only come out of build.json."""

_ABSENT_BOARD = "no-such-board"


class Subject:
    """What rules look at. Asking for what cannot be had raises Untried."""

    def __init__(self, image: Image, laboratory: Laboratory, models: ConformanceModels, *, loosen: bool) -> None:
        self.image = image
        self.models = models
        self.loosen = loosen
        self.trials: list[Trial] = []
        self._laboratory = laboratory
        self._began = 0.0

    @cached_property
    def config(self) -> dict[str, Any]:
        """The image's configuration."""
        return dict(self.image.attrs.get("Config") or {})

    @property
    def label(self) -> str | None:
        """The manifest's text."""
        return self.image.labels.get(LABEL)

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest, if it is valid."""
        try:
            return parse_manifest(self.label or "")
        except BadManifestError:
            raise Untried("the image has no valid manifest") from None

    @property
    def board(self) -> Board:
        """The board that most rules are tried with."""
        return self.manifest.boards[0]

    @property
    def laboratory(self) -> Laboratory:
        """Where the image runs, if it may."""
        if not self.config.get("Entrypoint") or self.config.get("Volumes"):
            raise Untried("the image does not run: it has no ENTRYPOINT, or a VOLUME")
        return self._laboratory

    def files(self, model: ConformanceModel, board: str | None = None, *, estimate: bool = False) -> dict[str, bytes]:
        """The three files of /in."""
        return input_files(model, board=board or self.board.name, version=VERSION, estimate=estimate)

    def run(self, what: str, files: Mapping[str, bytes], **changes: Any) -> Trial:
        """A run that is remembered."""
        trial = self.laboratory.run(what, files, **changes)
        self.trials.append(trial)
        return trial

    @cached_property
    def valid(self) -> Trial:
        """The full form with a valid model."""
        files = self.files(self.models.valid)
        self._began = time.time()
        return self.run("a valid model", files)

    @cached_property
    def again(self) -> Trial:
        """The same build once more: another second, another machine's name, another process number, one processor."""
        time.sleep(max(0.0, 1.1 - (time.time() - self._began)))
        files = self.files(self.models.valid)
        return self.run("the same model again", files, hostname="another", pids_limit=200)

    @cached_property
    def success(self) -> Success:
        """The result of the valid model's build."""
        return self.built(self.valid)

    def built(self, trial: Trial) -> Success:
        """The result of a trial that succeeded."""
        result = trial.valid_result()
        if not isinstance(result, Success) or trial.code != 0 or trial.problem is not None:
            raise Untried(f"{trial.what} was not built, or its output cannot be read")
        return result

    @property
    def absent_board(self) -> str:
        """The name of a board that the manifest does not have."""
        name = _ABSENT_BOARD
        while self.manifest.board(name) is not None:
            name += "-either"
        return name


def ending(trial: Trial) -> str:
    """How a trial ended, for a reader: exit code, the builder's own error, the last lines of its log."""
    if trial.ended is None:
        return f"it did not end within {trial.seconds:.0f} s"
    parts = ["it used up its memory" if trial.ended.out_of_memory else f"exit code {trial.ended.code}"]
    if trial.problem is not None:
        parts.append(trial.problem.message)
    try:
        result = trial.result()
    except BuilderError as problem:
        parts.append(f"a bad result.json ({problem.message})")
    else:
        if result is None:
            parts.append("no result.json")
        elif isinstance(result, Success | Estimate):
            parts.append(f"status {'succeeded' if isinstance(result, Success) else 'estimated'}")
        else:
            parts.append(f"status failed, {result.code}: {_short(result.message)}")
    tail = [line for line in trial.log if line.strip()][-2:]
    if tail:
        parts.append("log ends: " + " | ".join(map(_short, tail)))
    return "; ".join(parts)


def said(trial: Trial) -> str:
    """Everything that a builder said, in small letters."""
    result = trial.valid_result()
    words = [result.message, result.hint] if isinstance(result, Failure) else []
    return re.sub(r"\s+", " ", "\n".join([*trial.log, *words])).lower()


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 160 else flat[:160] + "…"
