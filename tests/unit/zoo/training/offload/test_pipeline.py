"""Pipelines are read as gst-launch reads them, and what they ask for decides which samples train."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.offloading import INI, RECEIVER, sender, text
from zoo.datasets.datarepo import Description as Layout
from zoo.datasets.datarepo import parse_description as parse_layout
from zoo.datasets.errors import DatasetError
from zoo.training.offload.conf import parse_conf
from zoo.training.offload.description import parse_description
from zoo.training.offload.errors import MisfitError, PipelineError
from zoo.training.offload.pipeline import MAX_ELEMENTS, parse_pipeline
from zoo.training.offload.plan import Plan, check_length, make_plan, read_samples, select

NETWORK = parse_description(INI.encode())
COUNT = 20
LAYOUT = {
    "gst_caps": "other/tensors, format=(string)static, framerate=(fraction)30/1, num_tensors=(int)2, "
    "dimensions=(string)28:28:1:1.10:1:1:1, types=(string)float32.float32",
    "total_samples": COUNT,
    "sample_size": 3176,
}


def test_document_000_line_4_a_pipeline_is_elements_caps_and_properties() -> None:
    found = parse_pipeline(
        'src a=1 a = 2 name="with ! and space" ! other/tensors, format=(string)static, num_tensors=2 ! sink sync=true'
    )
    assert [(element.name, element.properties) for element in found] == [
        ("src", {"a": "2", "name": "with ! and space"}),
        ("other/tensors", {"format": "static", "num_tensors": "2"}),
        ("sink", {"sync": "true"}),
    ]
    assert found[1].column == 41


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        ("", "column 1: the name of an element was expected, and there is the end"),
        ("a ! ! b", "column 5: the name of an element"),
        ("a b", "column 4: '=' after b"),
        ("a b= ! c", "column 6: a value of b"),
        ("a b='open", "column 5: a value of b"),
        ("a `rm -rf /`", "column 3: the name of a property"),
        (" ! ".join(["a"] * (MAX_ELEMENTS + 1)), "more than"),
        ("a" * 20_000, "are read"),
    ],
)
def test_a_pipeline_that_cannot_be_read_is_refused_with_its_column(pipeline: str, said: str) -> None:
    with pytest.raises(PipelineError, match=said):
        parse_pipeline(pipeline)


def test_document_000_line_4_ten_samples_are_five_to_train_and_five_to_validate() -> None:
    chosen = select(_plan(), _layout(), NETWORK, seed=1)
    assert (len(chosen.train), len(chosen.validation), chosen.shuffled) == (5, 5, True)
    assert sorted([*chosen.train, *chosen.validation]) == list(range(10))
    assert chosen.train.tolist() != list(range(5))
    again = select(_plan(), _layout(), NETWORK, seed=1)
    assert chosen.train.tolist() == again.train.tolist()


def test_document_000_line_4_start_stop_and_shuffle_are_honoured() -> None:
    plan = _plan("stop-sample-index = 9", "start-sample-index=4 stop-sample-index = 13 is-shuffle=false")
    chosen = select(plan, _layout(), NETWORK, seed=1)
    assert (chosen.train.tolist(), chosen.validation.tolist()) == ([4, 5, 6, 7, 8], [9, 10, 11, 12, 13])
    assert not chosen.shuffled


def test_document_000_line_4_the_sequence_says_which_tensor_is_the_sample() -> None:
    chosen = select(_plan(), _layout(), NETWORK, seed=1)
    assert (chosen.sample, chosen.label) == (0, 1)
    swapped = {**LAYOUT, "gst_caps": str(LAYOUT["gst_caps"]).replace("28:28:1:1.10:1:1:1", "10:1:1:1.28:28:1:1")}
    chosen = select(_plan("sequence=0,1", "sequence=1,0"), _layout(swapped), NETWORK, seed=1)
    assert (chosen.sample, chosen.label) == (1, 0)


def test_the_dimensions_of_caps_are_compared_by_their_number_of_elements() -> None:
    plan = _plan()
    assert plan.caps is not None
    assert plan.caps.properties["dimensions"] == "28:28:1:1.1:1:10:1"  # and the .json has 10:1:1:1
    wrong = make_plan(
        parse_conf(text(sender()).replace("28:28:1:1.1:1:10:1", "28:28:1:1.1:1:11:1")), parse_conf(text(RECEIVER))
    )
    with pytest.raises(MisfitError, match="tell of"):
        select(wrong, _layout(), NETWORK, seed=1)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("stop-sample-index = 9", "stop-sample-index = 20", "stop-sample-index"),
        ("stop-sample-index = 9", "stop-sample-index = 8", "num-training-samples"),
        ("sequence=0,1", "sequence=0", "tensors-sequence"),
        ("sequence=0,1", "sequence=0,2", "tensors-sequence"),
        ("epochs=1 !", "epochs=2 !", "num-training-samples"),
    ],
)
def test_figures_that_do_not_agree_are_refused(old: str, new: str, named: str) -> None:
    with pytest.raises(MisfitError) as refused:
        select(_plan(old, new), _layout(), NETWORK, seed=1)
    assert refused.value.field == named


def test_document_000_line_5_the_pair_is_read_as_the_network_takes_it() -> None:
    data, pictures, numbers = _data()
    chosen = select(_plan(), _layout(), NETWORK, seed=1)
    found = read_samples(chosen, _layout(), NETWORK, data)
    rows = [*chosen.train, *chosen.validation]
    assert np.array_equal(found.values[..., 0], pictures[rows])
    assert found.y.tolist() == numbers[rows].tolist()
    assert found.schema.labels == tuple("0123456789")
    assert {part: len(rows) for part, rows in found.split.items()} == {"train": 5, "validation": 5, "test": 0}


def test_document_000_line_5_a_wrong_length_or_size_is_refused() -> None:
    data, _, _ = _data()
    chosen = select(_plan(), _layout(), NETWORK, seed=1)
    with pytest.raises(MisfitError, match="63519 bytes; 20 samples of 3176 bytes are 63520"):
        read_samples(chosen, _layout(), NETWORK, data[:-1])
    with pytest.raises(DatasetError, match="sample_size is 3175"):
        _layout({**LAYOUT, "sample_size": 3175})
    with pytest.raises(DatasetError, match="total_samples"):
        _layout({**LAYOUT, "total_samples": 0})


def test_a_json_that_promises_a_terabyte_costs_nothing() -> None:
    layout = _layout({**LAYOUT, "total_samples": 10**12 // 3176})
    with pytest.raises(MisfitError, match="has 63520 bytes"):
        check_length(layout, 63520)


def test_a_label_that_is_not_one_hot_and_a_value_that_is_no_number_are_named() -> None:
    data, _, _ = _data()
    chosen = select(_plan(), _layout(), NETWORK, seed=1)
    values = np.frombuffer(data, "<f4").reshape(COUNT, 794).copy()
    values[7, 784:] = 1
    with pytest.raises(MisfitError, match="label of sample 7 is not one-hot"):
        read_samples(chosen, _layout(), NETWORK, values.tobytes())
    values[3, 5] = np.nan
    with pytest.raises(MisfitError, match="Sample 3 holds values that are no numbers"):
        read_samples(chosen, _layout(), NETWORK, values.tobytes())


def _plan(old: str = "", new: str = "") -> Plan:
    conf = text(sender(weights=False)).replace(old, new) if old else text(sender(weights=False))
    assert not old or conf != text(sender(weights=False))
    return make_plan(parse_conf(conf), parse_conf(text(RECEIVER)))


def _layout(document: dict[str, object] = LAYOUT) -> Layout:
    return parse_layout(json.dumps(document).encode())


def _data() -> tuple[bytes, NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    pictures = rng.uniform(0, 255, (COUNT, 28, 28)).astype(np.float32)
    numbers = rng.integers(0, 10, COUNT)
    labels = np.eye(10, dtype=np.float32)[numbers]
    return np.concatenate([pictures.reshape(COUNT, -1), labels], axis=1).astype("<f4").tobytes(), pictures, numbers
