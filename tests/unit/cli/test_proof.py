"""The demo's verdict: every byte, or no."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from app.cli.errors import EndedBadly
from app.cli.proof import Proof, summary
from app.cli.tour import curl_lines
from app.contract.models import Build, Update

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Bodies


EXPECTED = (b"\x01\x02", b"\x03\x04")
DIGEST = "9f64a747e1b97f131fabb6b447296c9b6f0201e79fb3c5356e6c77e89b6a806a"


def _proof(bodies: Bodies, report: dict[str, object] | None) -> Proof:
    build = Build.model_validate(bodies.build(model="hello-world-sine"))
    return Proof.of(build, Update.model_validate(bodies.update(report=report)), EXPECTED)


@pytest.mark.parametrize(
    ("report", "agreed"),
    [
        ({"outputs": ["0102", "0304"]}, True),
        ({"outputs": ["0102", "0305"]}, False),
        ({"outputs": ["0102"]}, False),
        ({"outputs": ["010203", "04"]}, False),
        ({"outputs": []}, False),
        ({"received_sha256": DIGEST}, True),
        ({"received_sha256": "ab" * 32}, False),
        ({"outputs": ["0102", "0305"], "received_sha256": DIGEST}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_board_agrees_only_when_every_byte_does(
    bodies: Bodies, report: dict[str, object] | None, agreed: bool
) -> None:
    assert _proof(bodies, report).agreed is agreed


@pytest.mark.parametrize("outputs", ["0102", ["xy"], [1], ["00"] * 65])
def test_a_report_that_is_none_is_said_to_be(bodies: Bodies, outputs: object) -> None:
    with pytest.raises(EndedBadly):
        _proof(bodies, {"outputs": outputs})


def test_the_table_has_a_column_for_each_model_and_fits_a_terminal(bodies: Bodies) -> None:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(
            summary(
                [
                    _proof(bodies, {"outputs": ["0102", "0304"], "instructions": 123456}),
                    _proof(bodies, {"outputs": ["0102", "ffff"]}),
                ]
            )
        )
    text = captured.get()
    for shown in (
        "34,567 bytes",
        "2,345 bytes",
        "4.2 s",
        "1.5 s by push",
        "123,456 per inference",
        "2 vectors, 4 bytes",
        "in every byte",
        "NO",
    ):
        assert shown in text
    assert max(map(len, text.splitlines())) <= 80


def test_every_curl_line_names_what_the_demo_made(bodies: Bodies, tmp_path: Path) -> None:
    proof = _proof(bodies, {"outputs": ["0102", "0304"]})
    lines = list(curl_lines("http://127.0.0.1:81", tmp_path, [proof, proof], "demo-board"))
    assert "http://127.0.0.1:81/docs" in lines[0]
    commands = [line for line in lines if line.startswith("curl ")]
    assert len(commands) == 10
    assert all("http://127.0.0.1:81/v1/" in line for line in commands)
    assert any(f"@{tmp_path}/model.tflite" in line for line in commands)
    assert any(f"/v1/builds/{proof.build.id}/log" in line for line in commands)
