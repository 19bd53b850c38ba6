"""What a person sees first: the interactive docs, from this server alone; and that the API explains a wrong turn."""

import re
from pathlib import Path

import httpx


def test_swagger_ui_and_redoc_come_from_this_server_alone(api: httpx.Client) -> None:
    for path in ("/docs", "/redoc"):
        page = api.get(path)
        assert page.status_code == 200
        references = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page.text)
        assert references
        assert not [reference for reference in references if reference.startswith(("http:", "https:", "//"))], path
        for reference in references:
            assert api.get(reference).status_code == 200, reference


def test_the_contract_is_served_as_it_is_written(api: httpx.Client) -> None:
    assert api.get("/openapi.json").json()["openapi"] == "3.1.0"
    assert api.get("/openapi.yaml").text == (Path(__file__).parents[3] / "openapi.yaml").read_text()
    assert api.get("/", follow_redirects=False).headers["Location"] == "/docs"


def test_unknown_things_are_named_with_a_way_on(api: httpx.Client) -> None:
    cases = [
        ("GET", "/v1/boards/no-such-board", None, 404, "board_not_found"),
        ("GET", "/v1/builders/bldr_0000000000000000", None, 404, "builder_not_found"),
        ("GET", "/v1/builds/bld_0000000000000000", None, 404, "build_not_found"),
        ("GET", "/v1/models/no-such-model", None, 404, "model_not_found"),
        ("GET", "/v1/models/digits-cnn/versions/77", None, 404, "version_not_found"),
        ("GET", f"/v1/artifacts/{'0' * 64}", None, 404, "artifact_not_found"),
        ("GET", "/v1/devices/nobody", None, 404, "device_not_found"),
        ("GET", "/v1/updates/upd_0000000000000000", None, 404, "update_not_found"),
        ("POST", "/v1/builds", {"model": "digits-cnn", "board": "no-such-board"}, 404, "board_not_found"),
        ("POST", "/v1/builds", {"model": "no-such-model", "board": "mps2-an386"}, 404, "model_not_found"),
        ("POST", "/v1/builds", {"model": "digits-cnn"}, 422, "invalid"),
        (
            "POST",
            "/v1/builds",
            {"model": "digits-cnn", "board": "mps2-an386", "builder_id": "bldr_0000000000000000"},
            404,
            "builder_not_found",
        ),
        ("POST", "/v1/builds", {"model": "digits-cnn", "version": 77, "board": "mps2-an386"}, 404, "version_not_found"),
        ("POST", "/v1/updates", {"endpoint": "nobody", "artifact_sha256": "0" * 64}, 404, "device_not_found"),
    ]
    for method, path, body, status, slug in cases:
        response = api.request(method, path, json=body)
        problem = response.json()
        assert (response.status_code, problem["slug"]) == (status, slug), path
        assert problem["remedy"]
    assert api.delete("/v1/models").status_code == 405
    # It is an operation of its own, and no build with the id "estimate".
    refused = api.get("/v1/builds/estimate")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")
