"""CSV: columns find their places, and what is no number is set aside with its line."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from zoo.datasets.errors import MisfitError, NothingAcceptedError, UnreadableUploadError, UploadTooLargeError
from zoo.datasets.rows import Limits

IRIS = b"length,width,label\n5.1,3.5,setosa\n7.0,3.2,versicolor\n6.3,3.3,virginica\n"


def test_the_label_column_makes_classes_and_the_others_features(read: Any, values: Any) -> None:
    batch = read(IRIS)
    assert (batch.schema.kind, batch.schema.shape) == ("tabular", (2,))
    assert batch.schema.features == ("length", "width")
    assert batch.schema.labels == ("setosa", "versicolor", "virginica")
    assert [sample.label for sample in batch.samples] == ["setosa", "versicolor", "virginica"]
    assert values(batch)[1].tolist() == pytest.approx([7.0, 3.2])


def test_a_file_without_names_has_numbered_columns(read: Any) -> None:
    batch = read(b"1,2,0\n3,4,1\n", label_column="2")
    assert (batch.schema.features, batch.schema.labels) == (("0", "1"), ("0", "1"))
    assert len(batch.samples) == 2


@pytest.mark.parametrize(
    "data", [b"a;b;label\n1;2;x\n", b"a\tb\tlabel\n1\t2\tx\n", b"\xef\xbb\xbfa,b,label\r\n1,2,x\r\n"]
)
def test_other_delimiters_line_ends_and_a_byte_order_mark_are_read(read: Any, data: bytes) -> None:
    batch = read(data)
    assert batch.schema.features == ("a", "b")
    assert batch.samples[0].label == "x"


def test_groups_and_parts_come_from_their_columns(read: Any) -> None:
    batch = read(b"a,writer,split\n1,anna,train\n2,ben,testing\n3,ben,\n")
    assert [(sample.origin, sample.part) for sample in batch.samples] == [
        ("anna", "train"),
        ("ben", "test"),
        ("ben", None),
    ]


def test_targets_are_numbers_to_be_predicted(read: Any) -> None:
    batch = read(b"a,b,label\n1,2,3\n4,5,6\n", target_columns=("label",))
    assert (batch.schema.features, batch.schema.targets, batch.schema.labels) == (("a", "b"), ("label",), ())


def test_columns_that_are_ignored_may_be_texts(read: Any) -> None:
    assert read(b"id,a\nx1,1\nx2,2\n", ignored_columns=("id",)).schema.features == ("a",)


def test_columns_are_laid_out_in_the_shape_asked_for(read: Any, values: Any) -> None:
    batch = read(b"1,2,3,4\n5,6,7,8\n", shape=(2, 2, 1))
    assert batch.schema.kind == "image"
    assert values(batch)[0, :, :, 0].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,x,a", "Column b: 'x' is no finite number."),
        ("1,,a", "Column b: '' is no finite number."),
        ("1,nan,a", "Column b: 'nan' is no finite number."),
        ("1,-inf,a", "Column b: '-inf' is no finite number."),
        ("1,1e39,a", "Column b: '1e39' is no finite number."),
        ("1,1_000,a", "Column b: '1_000' is no finite number."),
        ("1,2", "It has 2 fields instead of 3."),
        ("1,2,a,b", "It has 4 fields instead of 3."),
        ("1,2,", "Column label: the label is empty."),
        ("1,2,NaN", "Column label: the label is NaN, which is no name."),
        ("1,2,\x1b[2J", "Column label: the label has control characters."),
        ("1,2," + "x" * 101, "Column label: the label is longer than 100 characters."),
    ],
)
def test_a_row_that_cannot_be_used_is_set_aside_with_its_line_and_reason(read: Any, row: str, reason: str) -> None:
    batch = read(f"a,b,label\n1,2,good\n\n{row}\n3,4,good\n".encode())
    assert len(batch.samples) == 2
    (rejected,) = batch.rejections
    assert (rejected.place, rejected.reason) == ("line 4", reason)
    assert rejected.content == row


def test_a_quoted_field_may_span_lines(read: Any) -> None:
    batch = read(b'a,note\n1,"two\nlines"\n2,one\n', label_column="note")
    assert batch.rejected == 1  # a label of two lines
    assert batch.samples[0].label == "one"


def test_a_file_of_nothing_but_bad_rows_is_refused_with_the_first_reason(read: Any) -> None:
    with pytest.raises(NothingAcceptedError, match=r"None of the 2 rows .* line 2: Column a: 'x'"):
        read(b"a,b\nx,1\ny,2\n")


@pytest.mark.parametrize("data", [b"\n\n", b"a,b\n"])
def test_a_file_without_rows_is_refused(read: Any, data: bytes) -> None:
    with pytest.raises((UnreadableUploadError, NothingAcceptedError), match="no rows"):
        read(data)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"label_column": "x"}, "no column 'x'"),
        ({"target_columns": ("x",)}, "no column 'x'"),
        ({"ignored_columns": ("a", "b", "label")}, "No column is left"),
        ({"shape": (3, 3)}, "do not make the shape"),
    ],
)
def test_options_that_do_not_fit_the_columns_are_refused(read: Any, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(MisfitError, match=problem):
        read(b"a,b,label\n1,2,x\n", **options)


def test_names_that_stand_twice_are_refused(read: Any) -> None:
    with pytest.raises(MisfitError, match="'a' stands twice"):
        read(b"a,a\n1,2\n")


def test_what_is_not_utf8_is_refused_with_its_line(read: Any) -> None:
    with pytest.raises(UnreadableUploadError, match="Line 2 is not UTF-8: byte 0xe9"):
        read(b"a,label\n1,caf\xe9\n", "x.csv")


def test_a_million_columns_are_refused_without_being_held(read: Any) -> None:
    for data in (b",".join([b"1"] * 1_000_000), b"," * 30_000_000):
        tracemalloc.start()
        with pytest.raises(UploadTooLargeError):
            read(data, "x.csv")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 10_000_000


def test_a_row_of_too_many_fields_is_set_aside_and_only_its_begin_is_kept(read: Any) -> None:
    batch = read(b"1\n" + b"2," * 400_000)
    assert batch.rejections[0].reason == "It has 400001 fields instead of 1."
    assert len(batch.rejections[0].content) <= 1000


def test_a_quotation_mark_that_is_never_closed_does_not_join_the_file_to_one_row(read: Any) -> None:
    with pytest.raises((UploadTooLargeError, UnreadableUploadError)):
        read(b'a,label\n1,"x\n' + b"2,y\n" * 500_000)
    with pytest.raises(UploadTooLargeError, match="longer than"):
        read(b"a,label\n1" + b',"x\n"' * 500_000)


def test_a_number_column_taken_for_the_label_is_noticed(read: Any) -> None:
    rows = "".join(f"{number},{number}.5\n" for number in range(2000))
    with pytest.raises(UploadTooLargeError, match="more than 1000 classes") as caught:
        read(f"a,label\n{rows}".encode())
    assert "targets" in caught.value.remedy


def test_too_many_rows_are_refused(read: Any) -> None:
    with pytest.raises(UploadTooLargeError, match="more than 10 rows"):
        read(b"a\n" + b"1\n" * 11, limits=Limits(rows=10))


def test_an_upload_of_another_schema_is_refused_by_name(read: Any) -> None:
    schema = read(IRIS).schema
    for other, problem in (
        (b"length,label\n1,a\n", "shape"),
        (b"length,height,label\n1,2,a\n", "features are length, height"),
        (b"length,width,t\n1,2,3\n", "shape"),
    ):
        with pytest.raises(MisfitError, match=problem):
            read(other, expected=schema)
    assert read(b"length,width,label\n1,2,new\n", expected=schema).schema.labels == (
        "new",
        "setosa",
        "versicolor",
        "virginica",
    )
