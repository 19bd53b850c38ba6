"""The pictures are well-formed SVG and say their figures in words, too."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from zoo.federated.pictures import Band, Curve, labels_per_client, per_round

SVG = "{http://www.w3.org/2000/svg}"


def read(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own picture


def words(picture: ET.Element) -> list[str]:
    return [element.text or "" for element in picture.iter() if element.text]


def test_a_curve_tells_round_and_value_at_each_point_and_a_band_has_its_name() -> None:
    federated = Curve("federated", [(0, 0.1), (1, 0.5), (2, 0.93)])
    svg = per_round([federated, Curve("centralised", [(2, 0.96)])], band=Band("alone", [(0, 0.1, 0.1), (2, 0.3, 0.6)]))
    picture = read(svg)
    assert len(picture.findall(f"{SVG}circle")) == 4
    assert len(picture.findall(f"{SVG}polygon")) == 1
    assert {"federated", "centralised", "alone", "round", "accuracy", "federated, round 2: 0.93"} <= set(words(picture))
    assert svg == per_round(
        [federated, Curve("centralised", [(2, 0.96)])], band=Band("alone", [(0, 0.1, 0.1), (2, 0.3, 0.6)])
    )
    # Higher is better, and stands higher.
    heights = [float(circle.get("cy", "")) for circle in picture.findall(f"{SVG}circle")]
    assert heights[0] > heights[1] > heights[2] > heights[3]


def test_a_federation_without_a_round_has_a_picture_and_an_error_has_its_own_scale() -> None:
    assert "accuracy" in words(read(per_round([])))
    assert "3" in words(read(per_round([Curve("federated", [(0, 3.0), (1, 1.5)])], figure="mean absolute error")))


def test_the_distribution_shows_each_client_and_survives_any_label() -> None:
    picture = read(labels_per_client([[5, 0], [1, 9]], ["<b>&", "two\x00"]))
    assert len(picture.findall(f"{SVG}rect")) == 1 + 4
    assert "client 2, label two\N{REPLACEMENT CHARACTER}: 9" in words(picture)
    assert "client 1, label <b>&: 5" in words(picture)
    darkest = min(picture.findall(f"{SVG}rect")[1:], key=lambda rect: rect.get("fill", ""))
    assert darkest.findtext(f"{SVG}title") == "client 2, label two\N{REPLACEMENT CHARACTER}: 9"
