"""What the kit says about what it saw."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from builders.conformance.report import Check, Outcome, Report
from builders.conformance.rule import Broken, Rule, Untried
from builders.conformance.rules import RULES
from builders.conformance.rules.refusal import refused
from builders.conformance.subject import ending
from builders.conformance.trial import Trial
from builders.errors import OutputNotRegularError
from builders.output import Exit

if TYPE_CHECKING:
    from collections.abc import Callable

    from builders.conformance.subject import Subject

FAILED = json.dumps(
    {"contract": 1, "status": "failed", "error": {"code": "bad_model", "message": "no model\nat all"}}
).encode()


def trial(
    code: int | None, result: bytes | None = None, *log: str, problem: OutputNotRegularError | None = None
) -> Trial:
    files = {} if result is None else {"result.json": result}
    return Trial("a model", None if code is None else Exit(code), files, problem, log, 1.5)


def applied(check: Callable[[Subject], str]) -> Check:
    # No rule here looks at its subject, which a Docker Engine would have to make.
    return Rule("a.rule", "A rule", "Do better.", check).apply(None)  # type: ignore[arg-type]  # see above


def raising(problem: Exception) -> Callable[[Subject], str]:
    def check(_subject: Subject) -> str:
        raise problem

    return check


def test_a_rule_that_holds_says_what_it_saw_and_needs_no_remedy() -> None:
    assert applied(lambda _: "seen") == Check("a.rule", "A rule", Outcome.PASSED, "seen", "")


def test_a_broken_rule_gives_its_remedy_or_a_better_one() -> None:
    assert applied(raising(Broken("wrong"))) == Check("a.rule", "A rule", Outcome.FAILED, "wrong", "Do better.")
    assert applied(raising(Broken("wrong", remedy="Do this."))).remedy == "Do this."


def test_a_rule_that_was_not_tried_says_why() -> None:
    assert applied(raising(Untried("no board"))) == Check("a.rule", "A rule", Outcome.SKIPPED, "no board", "")


def test_every_rule_has_a_name_of_its_own_a_title_and_a_remedy() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.title and rule.remedy.endswith(".") for rule in RULES)


def test_a_report_passes_when_no_rule_failed_and_has_a_json_form() -> None:
    passed = Check("a", "A", Outcome.PASSED, "", "")
    skipped = Check("b", "B", Outcome.SKIPPED, "why", "")
    broken = Check("c", "C", Outcome.FAILED, "what", "how")
    good = Report("image:1", "sha256:1", "name", "1.0.0", 2.0, (passed, skipped))
    bad = Report("image:1", "sha256:1", "name", "1.0.0", 2.0, (passed, skipped, broken))
    assert (good.passed, bad.passed, bad.failures) == (True, False, (broken,))
    document = json.loads(json.dumps(bad.to_json()))
    assert document["counts"] == {"passed": 1, "failed": 1, "skipped": 1}
    assert document["checks"][2] == {"id": "c", "title": "C", "outcome": "failed", "detail": "what", "remedy": "how"}


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (trial(None), "it did not end within 2 s"),
        (trial(3), "exit code 3; no result.json"),
        (
            trial(1, FAILED, "one", "", "two", "three"),
            "exit code 1; status failed, bad_model: no model at all; log ends: two | three",
        ),
        (trial(0, b"{"), "exit code 0; a bad result.json (The document is not JSON"),
        (trial(0, problem=OutputNotRegularError("/out holds a link.", remedy="-")), "exit code 0; /out holds a link."),
    ],
)
def test_an_ending_is_told_in_one_line(seen: Trial, words: str) -> None:
    assert ending(seen).startswith(words)


def test_a_refusal_has_the_right_code() -> None:
    assert refused(trial(1, FAILED), "bad_model") == "bad_model: no model\nat all"
    with pytest.raises(Broken, match="the error code is bad_model, not bad_request"):
        refused(trial(1, FAILED), "bad_request")
    with pytest.raises(Broken, match=r"left no valid result\.json: exit code 1"):
        refused(trial(1), "bad_model")
