"""Confs of document 000 are read, and everything that is wrong with one is named."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.support.offloading import RECEIVER, SENDER, sender, text
from zoo.training.offload.conf import MAX_CONF_BYTES, Service, parse_conf
from zoo.training.offload.errors import ConfError, MisfitError, PipelineError
from zoo.training.offload.plan import make_plan

REMOVED = object()


def test_document_000_line_1_both_confs_are_read() -> None:
    sending, receiving = parse_conf(text(SENDER)), parse_conf(text(RECEIVER))
    assert (sending.node_type, sending.host, sending.dest_host) == ("sender", "192.168.0.5", "192.168.0.7")
    assert (sending.dest_port, sending.port, receiving.port) == ("3003", None, "3003")
    assert (sending.connect_type, sending.topic) == ("TCP", "offloading_service_test_topic")
    assert (sending.time_limit, receiving.time_limit) == (10, 10)
    assert list(sending.files) == ["pretrained-mnist.bin", "mnist.ini"]
    assert sending.files["mnist.ini"] == Service(
        "model_raw", "model_config_registration_key", "registered-mnist.ini", True, "model configuration file"
    )
    assert sending.pipeline is not None
    assert sending.pipeline.startswith("edgesrc ")
    assert receiving.files["trained-model.bin"].type == "reply"
    assert receiving.files["trained-model.bin"].name == "registered-trained-model.bin"


def test_document_000_line_1_a_comment_is_refused_with_line_and_column() -> None:
    commented = '{\n\n    "offloading" : # Keyword to use remote offloading service\n    {}\n}'
    with pytest.raises(ConfError, match="Expecting value: line 3 column 20"):
        parse_conf(commented)


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        (b"\xff{}", "not UTF-8"),
        (b"[1]", "no JSON object"),
        (b"", "line 1 column 1"),
        (b'{"a": 1,\n "a": 2}', "'a' stands twice"),
        (b'{"a": NaN}', "NaN is no JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"1" * 5000 + b"}", "cannot be read: Exceeds the limit"),
        (b" " * (MAX_CONF_BYTES + 1), "are read"),
    ],
)
def test_what_is_no_strict_json_is_refused(conf: bytes, said: str) -> None:
    with pytest.raises(ConfError, match=said):
        parse_conf(conf)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("offloading", REMOVED, "offloading"),
        ("services", REMOVED, "services"),
        ("offloading.training", REMOVED, "offloading.training"),
        ("offloading.training.transfer-data", REMOVED, "offloading.training.transfer-data"),
        ("offloading.training.sender-pipeline", REMOVED, "offloading.training.sender-pipeline"),
        ("offloading.node-type", "server", "offloading.node-type"),
        ("offloading.node-type", REMOVED, "offloading.node-type"),
        ("offloading.connect-type", "UDP", "offloading.connect-type"),
        ("offloading.dest-port", 3003, "offloading.dest-port"),
        ("offloading.dest-port", "70000", "offloading.dest-port"),
        ("offloading.training.time-limit", "10", "offloading.training.time-limit"),
        ("offloading.training.time-limit", 10**9, "offloading.training.time-limit"),
        ("offloading.training.transfer-data.service_9", "@APP_RW_PATH@/x", "transfer-data.service_9"),
        ("offloading.training.transfer-data.service_1", 7, "transfer-data.service_1"),
        ("services.service_2", REMOVED, "transfer-data.service_2"),
        ("services.service_2.service-type", "model_cooked", "services.service_2.service-type"),
        ("services.service_2.service-type", "reply", "services.service_2.service-type"),
        ("services.service_2.service-type", "model_uri", "services.service_2.service-type"),
        ("services.service_2.service-key", REMOVED, "services.service_2.service-key"),
        ("services.service_2.name", REMOVED, "services.service_2.name"),
        ("services.service_2.activate", True, "services.service_2.activate"),
        ("services.service_2.activate", "perhaps", "services.service_2.activate"),
        ("services.service_3.service-type", "model_raw", "services.service_3"),
    ],
)
def test_document_000_line_2_what_is_missing_or_unknown_is_named(path: str, value: object, named: str) -> None:
    with pytest.raises(ConfError) as refused:
        parse_conf(text(_changed(SENDER, path, value)))
    assert refused.value.field is not None
    assert named in refused.value.field
    assert named in str(refused.value)


def test_document_000_line_2_a_receiver_without_a_reply_is_refused() -> None:
    with pytest.raises(ConfError, match=r"services\.service_1\.service-type"):
        parse_conf(text(_changed(RECEIVER, "services.service_1.service-type", "model_raw")))
    with pytest.raises(ConfError, match="is the conf of a sender"):
        parse_conf(text(SENDER), "receiver")


def test_document_000_line_3_placeholders_lead_to_names_of_the_session() -> None:
    plan = make_plan(parse_conf(text(SENDER)), parse_conf(text(RECEIVER)))
    assert plan.files == ("mnist.data", "mnist.json", "pretrained-mnist.bin", "mnist.ini")
    assert make_plan(parse_conf(text(sender(weights=False))), parse_conf(text(RECEIVER))).weights is None


@pytest.mark.parametrize("name", ["../x.ini", "a/b.ini", "/etc/passwd", "..", ".hidden", "", "a b", "x\n", "a" * 101])
def test_document_000_line_3_a_path_in_a_name_is_refused(name: str) -> None:
    with pytest.raises(ConfError) as refused:
        parse_conf(text(_changed(SENDER, "services.service_2.name", name)))
    assert refused.value.field == "services.service_2.name"
    with pytest.raises(ConfError) as refused:
        parse_conf(text(_changed(SENDER, "offloading.training.transfer-data.service_2", f"@APP_RW_PATH@/{name}")))
    assert refused.value.field == "offloading.training.transfer-data.service_2"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("location=@APP_RW_PATH@/mnist.data", "location=/etc/passwd", "location"),
        ("location=@APP_RW_PATH@/mnist.data", "location=@APP_RW_PATH@/../mnist.data", "location"),
        ("location=@APP_RW_PATH@/mnist.data", "location=@APP_RW_PATH@/mnist.ini", "location"),
        ("@TRAINED_MODEL_FILE@", "/tmp/x", "model-save-path"),  # noqa: S108 - it is refused
        ("@REMOTE_APP_RW_PATH@/registered-mnist.ini", "@REMOTE_APP_RW_PATH@/other.ini", "model-config"),
        ("framework=nntrainer", "framework=python3", "framework"),
        ("num-training-samples=5", "num-training-samples=0", "num-training-samples"),
        ("num-validation-samples=5", "", "num-validation-samples"),
        ("epochs=1 !", "epochs=100000 !", "epochs"),
    ],
)
def test_document_000_line_3_pipelines_name_only_what_the_session_has(old: str, new: str, named: str) -> None:
    changed = text(SENDER).replace(old, new)
    assert changed != text(SENDER)
    with pytest.raises((PipelineError, MisfitError)) as refused:
        make_plan(parse_conf(changed), parse_conf(text(RECEIVER)))
    assert refused.value.field == named


def test_a_sender_and_a_receiver_of_different_topics_do_not_meet() -> None:
    with pytest.raises(MisfitError, match="different topics"):
        make_plan(parse_conf(text(SENDER)), parse_conf(text(_changed(RECEIVER, "offloading.topic", "other"))))


def _changed(conf: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    made = copy.deepcopy(conf)
    *parents, last = path.split(".")
    place = made
    for name in parents:
        place = place[name]
    if value is REMOVED:
        del place[last]
    else:
        place[last] = json.loads(json.dumps(value))
    return made
