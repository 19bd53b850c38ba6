"""Inputs of inference, as a file, standard input, or the JSON itself."""

import json
from pathlib import Path

import typer

from app.cli import files
from app.cli.errors import Misused

MAX_INPUT_BYTES = 64 * 1024 * 1024


def read_instances(given: str) -> list[object]:
    """A list of instances, or that of the member `instances` of an object. Raises Misused."""
    text = given if given.lstrip().startswith(("[", "{")) else _read(given)
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise Misused(f"The input is not JSON: {error}.", "Such as --input '[[0.5]]'.") from error
    if isinstance(value, dict):
        value = value.get("instances")
    if not isinstance(value, list) or not value:
        raise Misused("The input holds no list of instances.", "Such as --input '[[0.5]]'.")
    return value


def _read(given: str) -> str:
    if given == "-":
        data = typer.get_binary_stream("stdin").read(MAX_INPUT_BYTES + 1)
    else:
        with files.opened(Path(given)) as (file, _):
            data = file.read(MAX_INPUT_BYTES + 1)
    if len(data) > MAX_INPUT_BYTES:
        raise Misused(f"The input is larger than {MAX_INPUT_BYTES:,} bytes.")
    return data.decode("utf-8", "replace")
