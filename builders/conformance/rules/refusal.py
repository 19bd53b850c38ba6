"""Rules of a build that must not succeed: the builder says why, in result.json, with the right code."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

from builders.conformance.rule import Broken, Rule
from builders.conformance.subject import Subject, ending
from builders.contract import Failure, Success

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builders.conformance.trial import Trial


def refused(trial: Trial, *codes: str) -> str:
    """What a trial that had to fail says; whether its exit code agrees is another rule's."""
    result = trial.valid_result()
    if isinstance(result, Success):
        raise Broken(f"{trial.what} was built: {ending(trial)}")
    if not isinstance(result, Failure):
        raise Broken(f"{trial.what} left no valid result.json: {ending(trial)}")
    if result.code not in codes:
        raise Broken(f"{trial.what}: the error code is {result.code}, not {' or '.join(codes)}")
    return f"{result.code}: {result.message[:120]}"


def _model(subject: Subject, what: str, content: bytes) -> str:
    _ = subject.success  # a builder that refuses everything shows nothing by refusing this
    damaged = dataclasses.replace(subject.models.valid, content=content)
    return refused(subject.run(what, subject.files(damaged)), "bad_model")


def _truncated(subject: Subject) -> str:
    content = subject.models.valid.content
    return _model(subject, "a model cut in half", content[: len(content) // 2])


def _random(subject: Subject) -> str:
    return _model(subject, "a file that is no model", hashlib.shake_256(b"no model").digest(1024))


def _operator(subject: Subject) -> str:
    _ = subject.success
    name = subject.models.unsupported_operator
    trial = subject.run(f"a model with {name}", subject.files(subject.models.unsupported))
    detail = refused(trial, "unsupported_operator")
    result = trial.valid_result()
    if isinstance(result, Failure) and name not in result.message:
        raise Broken(f"the message does not name the operator {name}: {result.message[:160]}")
    return detail


def _request(subject: Subject) -> str:
    _ = subject.success
    files = subject.files(subject.models.valid)
    without_board = json.loads(files["build.json"])
    del without_board["board"]
    seen = ""
    for what, text in (("{ as build.json", b"{"), ("a build.json without a board", json.dumps(without_board).encode())):
        changed: Mapping[str, bytes] = {**files, "build.json": text}
        seen = refused(subject.run(what, changed), "bad_request")
    return seen


def _board(subject: Subject) -> str:
    _ = subject.success
    trial = subject.run("a board that it does not know", subject.files(subject.models.valid, subject.absent_board))
    return refused(trial, "unsupported_board")


RULES = (
    Rule(
        "refuse.truncated",
        "A truncated model is a failed result",
        "Check every offset of the file against its length; report bad_model.",
        _truncated,
    ),
    Rule(
        "refuse.random",
        "A file that is no model is a failed result",
        "Check the identifier TFL3 at byte 4; report bad_model.",
        _random,
    ),
    Rule(
        "refuse.operator",
        "An unsupported operator is named",
        "Report unsupported_operator, with the operator's name (for CUSTOM its custom code) in the message.",
        _operator,
    ),
    Rule(
        "refuse.request",
        "A bad build.json is a failed result",
        "Report bad_request when build.json is no JSON or lacks a field.",
        _request,
    ),
    Rule(
        "refuse.board",
        "An unknown board is a failed result",
        "Report unsupported_board for a board that the manifest does not list.",
        _board,
    ),
)
