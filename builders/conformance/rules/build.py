"""Rules of a build that has every reason to succeed: it does, inside the sandbox, and in both forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from builders.conformance.rule import Broken, Rule, Untried
from builders.conformance.subject import Subject, ending, said
from builders.contract import Failure, ImageKind, Success
from builders.errors import OutputNotRegularError

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_BOARDS = 16
_CONTRACT = "docs/reference/builder-contract.md"


def _time(subject: Subject) -> str:
    if subject.valid.ended is None:
        raise Broken(
            f"a model of {len(subject.models.valid.content)} bytes took more than {subject.valid.seconds:.0f} s"
        )
    return f"{subject.valid.seconds:.1f} s"


def _succeeds(subject: Subject) -> str:
    trial = subject.valid
    if trial.ended is None:
        raise Untried("it did not end in time")
    if trial.code == 0 and not (trial.ended and trial.ended.out_of_memory):
        return f"{subject.models.valid.name} for {subject.board.name}"
    raise Broken(ending(trial))


def _regular(subject: Subject) -> str:
    problem = subject.valid.problem
    if problem is not None:
        raise Broken(problem.message, remedy=problem.remedy if isinstance(problem, OutputNotRegularError) else "")
    return f"{len(subject.valid.files)} file(s)"


def _log(subject: Subject) -> str:
    _ = subject.success
    lines = [line for line in subject.valid.log if line.strip()]
    if not lines:
        raise Broken("the builder printed nothing")
    return f"{len(lines)} line(s)"


def _sandboxed(words: tuple[str, ...], given: str, **loosened: Any) -> Callable[[Subject], str]:
    def check(subject: Subject) -> str:
        trial = subject.valid
        if trial.code == 0:
            return "it built without"
        heard = said(trial)
        found = next((word for word in words if word in heard), None)
        if found is not None:
            raise Broken(f"the valid model was not built, and the builder said {found!r}")
        if subject.loosen:
            files = subject.files(subject.models.valid)
            if subject.laboratory.run(f"a valid model, {given}", files, **loosened).code == 0:
                raise Broken(f"the valid model is built only {given}")
        raise Untried("the valid model was not built, as it seems for another reason")

    return check


def _input(subject: Subject) -> str:
    success = subject.success
    trial = subject.run("another valid model", subject.files(subject.models.other))
    other = trial.valid_result()
    if trial.code != 0 or not isinstance(other, Success):
        raise Broken(f"model {subject.models.other.name}: {ending(trial)}")
    # A bootloader is the same whatever the model is.
    theirs, ours = (
        {image.sha256 for image in built.images if image.kind is not ImageKind.BOOTLOADER} for built in (other, success)
    )
    if theirs & ours:
        raise Broken(f"the models {subject.models.valid.name} and {subject.models.other.name} give the same image")
    return f"{subject.models.valid.name} and {subject.models.other.name} give different images"


def _boards(subject: Subject) -> str:
    _ = subject.success
    rest = subject.manifest.boards[1:_MAX_BOARDS]
    if not rest:
        raise Untried("the manifest has one board")
    for board in rest:
        trial = subject.run(f"a valid model for {board.name}", subject.files(subject.models.valid, board.name))
        result = trial.valid_result()
        small = isinstance(result, Failure) and result.code == "model_too_large"
        if not small and (trial.code != 0 or not isinstance(result, Success)):
            raise Broken(f"board {board.name}: {ending(trial)}")
    return ", ".join(board.name for board in rest)


def _alone(subject: Subject) -> str:
    _ = subject.success
    files = {"model.tflite": subject.models.valid.content}
    trial = subject.run("the simple form", files, command=["model.tflite"])
    if trial.code != 0:
        raise Broken(ending(trial))
    if not any(line.strip() for line in trial.log):
        raise Broken("it printed no summary")
    return "IMAGE model.tflite"


def _alone_output(subject: Subject) -> str:
    _ = subject.success
    files = {"model.tflite": subject.models.valid.content}
    trial = subject.run(
        "the simple form with -o", files, folder="/out/made", command=["/in/model.tflite", "-o", "/out/made"]
    )
    if trial.code != 0 or not isinstance(trial.valid_result(), Success):
        raise Broken(ending(trial))
    return "IMAGE /in/model.tflite -o /out/made"


def _alone_missing(subject: Subject) -> str:
    _ = subject.success
    trial = subject.run("the simple form without a model", {"other": b"-"}, command=["missing.tflite"])
    if trial.code is None or trial.code == 0:
        raise Broken(f"a model that is not there: {ending(trial)}")
    return f"exit code {trial.code}"


RULES = (
    Rule("build.time", "A small model is built in time", "Find out what waits; there is no network.", _time),
    Rule("output.regular", "/out holds plain files only", f"Write no links, pipes or folders ({_CONTRACT}).", _regular),
    Rule(
        "build.succeeds",
        "A valid model is built in the sandbox",
        "Run the image with the options of docs/how-to/write-a-builder.md and read its log.",
        _succeeds,
    ),
    Rule(
        "sandbox.network",
        "It needs no network",
        "Put what it fetches (licences, packages, headers) into the image.",
        _sandboxed(
            (
                "network is unreachable",
                "temporary failure in name resolution",
                "could not resolve",
                "name or service not known",
                "nodename nor servname",
                "no address associated with hostname",
                "no route to host",
            ),
            "with a network",
            network_mode="bridge",
        ),
    ),
    Rule(
        "sandbox.read_only",
        "It needs no writable root",
        "Write results to /out and scratch files to /work or /tmp; HOME is /work.",
        _sandboxed(("read-only file system", "erofs"), "with a writable root", read_only=False),
    ),
    Rule(
        "sandbox.user",
        "It needs no root user and no capability",
        "It runs as user 65532 whatever USER says: make its files readable by everybody (chmod a+rX).",
        _sandboxed(
            ("permission denied", "operation not permitted", "must be root", "run as root", "eacces"),
            "as root with capabilities",
            user="0:0",
            cap_drop=[],
        ),
    ),
    Rule("build.log", "The build log is not empty", "Print what happens, line by line, to standard output.", _log),
    Rule(
        "build.input",
        "Another model gives another image",
        "Take the model from /in/model.tflite, not from the image.",
        _input,
    ),
    Rule(
        "build.boards",
        "Every board of the manifest is built for",
        "Remove the board from the manifest, or support it.",
        _boards,
    ),
    Rule(
        "alone.model",
        "It works alone: docker run IMAGE model.tflite",
        "Take a model file as the one argument: a path, a file in /in, or a sample in the image.",
        _alone,
    ),
    Rule("alone.output", "Alone, -o chooses the folder", "Make the folder and write into it.", _alone_output),
    Rule(
        "alone.missing",
        "Alone, a missing model is an error",
        "End with an exit code other than 0 when nothing was built.",
        _alone_missing,
    ),
)
