"""Rules of how a build ends: when it is stopped, when /out is full, and that its exit code tells the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builders.conformance.rule import Broken, Rule, Untried
from builders.conformance.subject import Subject, ending
from builders.contract import Failure, Success
from builders.follow import STOP_GRACE_SECONDS

if TYPE_CHECKING:
    from builders.conformance.trial import Stop

_TERMINATED = 143
_PAGE = 4096
# A builder that ended this soon after the signal may have ended without having seen it, on a busy machine above all.
_CROSSED_SECONDS = 1.0


def _sigterm(subject: Subject) -> str:
    _ = subject.success
    files = subject.files(subject.models.valid)
    for at_once in (False, True, True):
        stop = subject.laboratory.stop("a build that was stopped", files, at_once=at_once)
        if not stop.before_the_signal and not _crossed(stop):
            return _stopped(stop)
    raise Untried(f"the build ends in {stop.trial.seconds:.1f} s, before a signal arrives")


def _crossed(stop: Stop) -> bool:
    return stop.trial.code == 0 and stop.seconds is not None and stop.seconds < _CROSSED_SECONDS


def _stopped(stop: Stop) -> str:
    if stop.seconds is None:
        raise Broken(f"it still ran {STOP_GRACE_SECONDS:.0f} s after SIGTERM, and was killed")
    result = stop.trial.valid_result()
    cancelled = stop.trial.code == 1 and isinstance(result, Failure) and result.code == "cancelled"
    if stop.trial.code != _TERMINATED and not cancelled:
        raise Broken(f"{stop.seconds:.1f} s after SIGTERM: {ending(stop.trial)}")
    return f"exit code {stop.trial.code}, {stop.seconds:.1f} s after SIGTERM"


def _full(subject: Subject) -> str:
    success = subject.success
    needed = sum(len(subject.valid.files[image.file]) for image in success.images if image.file in subject.valid.files)
    trial = subject.run(f"an /out of {_PAGE} bytes for {needed}", subject.files(subject.models.valid), out_bytes=_PAGE)
    result = trial.valid_result()
    if isinstance(result, Failure):
        if result.code != "output_full":
            raise Broken(f"the error code is {result.code}, not output_full: {result.message[:160]}")
        return "output_full"
    if trial.ended is None or trial.code == 0 or isinstance(result, Success):
        raise Broken(ending(trial))
    return f"exit code {trial.code}, with no room for result.json"


def _agrees(subject: Subject) -> str:
    if not subject.trials:
        raise Untried("nothing was run")
    for trial in subject.trials:
        result = trial.valid_result()
        if result is None or trial.code is None:
            continue  # another rule's: there is nothing to agree with
        expected = 1 if isinstance(result, Failure) else 0
        if trial.code != expected:
            status = "failed" if expected else "succeeded or estimated"
            raise Broken(f"{trial.what}: result.json says {status}, and the exit code is {trial.code}")
    return f"in {len(subject.trials)} builds"


RULES = (
    Rule(
        "stop.sigterm",
        "SIGTERM ends the build within 3 seconds",
        "End with exit code 143; pass the signal on to the compiler, or start it so that it dies with you.",
        _sigterm,
    ),
    Rule(
        "output.full",
        "A full /out is a failure",
        "Look at every write's error, and report output_full; never succeeded.",
        _full,
    ),
    Rule(
        "result.status",
        "The exit code agrees with the status",
        "End with 0 exactly when status is succeeded, with 1 exactly when it is failed.",
        _agrees,
    ),
)
