"""Statistics agree with numpy over everything at once, and the picture is an SVG that holds nothing but a picture."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from zoo.datasets.picture import Example, picture
from zoo.datasets.schema import Schema
from zoo.datasets.statistics import statistics

SVG = "{http://www.w3.org/2000/svg}"
RNG = np.random.default_rng(2)


@pytest.mark.parametrize(
    ("schema", "x"),
    [
        (Schema("tabular", (3,), "float32", ("a", "b", "c")), RNG.normal(1e6, 1, (9000, 3)).astype(np.float32)),
        (Schema("series", (50, 2), "int16", ("x", "y")), RNG.integers(-9, 9, (200, 50, 2)).astype(np.int16)),
        (Schema("image", (8, 8, 3), "uint8", ("r", "g", "b")), RNG.integers(0, 256, (99, 8, 8, 3)).astype(np.uint8)),
    ],
)
def test_statistics_over_pieces_are_those_of_the_whole(schema: Schema, x: np.ndarray) -> None:
    found = statistics(schema, lambda: [x[:10], x[10:]])
    whole = x.reshape(-1, x.shape[-1]).astype(np.float64)
    assert [feature.name for feature in found] == list(schema.features)
    for place, feature in enumerate(found):
        column = whole[:, place]
        assert feature.count == len(column)
        assert feature.mean == pytest.approx(column.mean(), rel=1e-9)
        assert feature.std == pytest.approx(column.std(), rel=1e-6)
        assert (feature.minimum, feature.maximum) == (column.min(), column.max())
        assert sum(feature.histogram) == len(column)
        np.testing.assert_allclose(feature.histogram, np.histogram(column, 20)[0], atol=2)


def test_a_constant_column_has_no_spread() -> None:
    (feature,) = statistics(Schema("tabular", (1,), "float32", ("a",)), lambda: [np.full((5, 1), 7, np.float32)])
    assert (feature.mean, feature.std, feature.histogram[0]) == (7.0, 0.0, 5)


def test_no_samples_have_no_statistics() -> None:
    assert statistics(Schema("tabular", (1,), "float32", ("a",)), list) == ()


def test_pictures_are_shown_as_pictures() -> None:
    schema = Schema("image", (8, 8, 1), "uint8", ("grey",), labels=("0", "1"))
    shown = [Example("0", RNG.integers(0, 256, (8, 8, 1)).astype(np.uint8)) for _ in range(30)]
    root = ElementTree.fromstring(picture("digits", schema, {"0": 30, "1": 2}, shown, ()))  # noqa: S314 - our own text
    assert len(root.findall(f".//{SVG}image")) == 24
    assert {text.text for text in root.iter(f"{SVG}text")} >= {"digits: 32 samples of 8x8x1", "0", "1", "30", "2"}


def test_samples_of_more_axes_than_a_picture_has_are_shown_as_traces() -> None:
    schema = Schema("image", (2, 3, 1, 1), "float32", ("0",))
    root = ElementTree.fromstring(picture("volumes", schema, {"0": 1}, [Example("0", np.ones((2, 3, 1, 1)))], ()))  # noqa: S314 - our own text
    assert len(root.findall(f".//{SVG}polyline")) == 3


def test_series_are_shown_as_traces_and_tables_as_histograms() -> None:
    schema = Schema("series", (100, 3), "float32", ("x", "y", "z"))
    shown = [Example(None, RNG.normal(size=(100, 3)).astype(np.float32))]
    root = ElementTree.fromstring(picture("waves", schema, {"(no label)": 1}, shown, ()))  # noqa: S314 - our own text
    assert len(root.findall(f".//{SVG}polyline")) == 3
    table = Schema("tabular", (2,), "float32", ("a", "b"))
    features = statistics(table, lambda: [RNG.normal(size=(100, 2)).astype(np.float32)])
    root = ElementTree.fromstring(picture("table", table, {"a": 100}, [], features))  # noqa: S314 - our own text
    assert len(root.findall(f".//{SVG}g")) == 2


def test_a_strangers_label_stays_a_text() -> None:
    evil = '"/><script>alert(1)</script>'
    drawn = picture("x", Schema("tabular", (1,), "float32", (evil,)), {evil: 1}, [], ())
    assert "<script" not in drawn
    root = ElementTree.fromstring(drawn)  # noqa: S314 - our own text
    assert evil[:24] in {text.text for text in root.iter(f"{SVG}text")}
