"""The kit's models are what their script makes, and say what the contract's documents need."""

from __future__ import annotations

import hashlib
import json
from importlib import resources

from builders.conformance import shipped_models
from builders.conformance.models import SOURCE_DATE_EPOCH, input_files, make
from builders.contract import FirmwareVersion


def test_the_files_are_what_their_script_makes() -> None:
    folder = resources.files("builders.conformance.models")
    made = make.make()
    assert {name: (folder / name).read_bytes() for name in made} == made


def test_the_golden_outputs_differ_from_vector_to_vector() -> None:
    models = shipped_models()
    for model in (models.valid, models.other):
        assert len({vector.outputs for vector in model.vectors}) == len(model.vectors) == make.VECTORS


def test_the_operator_that_nobody_has_is_in_its_model() -> None:
    models = shipped_models()
    assert models.unsupported_operator == make.CUSTOM_OPERATOR
    assert make.CUSTOM_OPERATOR.encode() in models.unsupported.content


def test_build_json_names_the_models_hash_and_the_kits_date() -> None:
    model = shipped_models().valid
    files = input_files(model, board="a-board", version=FirmwareVersion(1, 2, 3, 4))
    document = json.loads(files["build.json"])
    assert document["model"]["sha256"] == hashlib.sha256(files["model.tflite"]).hexdigest()
    assert (document["board"], document["firmware_version"]) == ("a-board", "1.2.3+4")
    assert document["source_date_epoch"] == SOURCE_DATE_EPOCH
