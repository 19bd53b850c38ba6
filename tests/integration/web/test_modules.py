"""The pages' own modules in Chromium, against the server's documents, NumPy's files, and gradients by hand."""

import base64
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Error, Page

from tests.support.browser import run
from zoo.federated.documents import Limits, decode_update, encode_model
from zoo.federated.parameters import Parameter, Parameters, Weights, weights_sha256

pytestmark = pytest.mark.browser

PARAMETERS = Parameters([Parameter("dense/kernel", (3, 4)), Parameter("dense/bias", (4,))])


def weights(seed: int) -> Weights:
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=item.shape).astype(np.float32) for item in PARAMETERS)


# --- Documents -------------------------------------------------------------------------------------------------------


def test_002_5_the_browser_reads_the_servers_global_model_and_knows_it_by_its_identity(tab: Page) -> None:
    sent = weights(1)
    found = run(
        tab,
        """const { readModel, identity } = await import("/web/documents.js");
        const model = readModel(bytes(document), parameters);
        return { ...model, weights: model.weights.map((w) => Array.from(w)), base: await identity(model.weights) };""",
        document=encode_model("fed_1", 7, sent),
        parameters=PARAMETERS.to_json(),
    )
    assert (found["federation"], found["round"]) == ("fed_1", 7)
    assert [np.float32(values).tolist() for values in found["weights"]] == [array.ravel().tolist() for array in sent]
    assert found["base"] == weights_sha256(sent).hex()


def test_002_5_the_server_reads_the_browsers_update_to_the_last_bit(tab: Page) -> None:
    trained = weights(2)
    document = run(
        tab,
        """const { writeUpdate } = await import("/web/documents.js");
        return text(writeUpdate({ round: 300, base, samples: 70000, loss: 0,
          weights: weights.map((values) => Float32Array.from(values)) }));""",
        base=weights_sha256(weights(1)).hex(),
        weights=[array.ravel().tolist() for array in trained],
    )
    update = decode_update(base64.b64decode(document), PARAMETERS, Limits())
    assert (update.round, update.samples, update.loss) == (300, 70000, 0.0)
    assert update.base == weights_sha256(weights(1))
    assert [array.tobytes() for array in update.weights] == [array.tobytes() for array in trained]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (encode_model("fed_1", 1, weights(1))[:-1], "cut off"),
        (encode_model("fed_1", 1, weights(1)) + b"\0", "bytes after the end"),
        (b"\xbb\x00\x00\xff\xff\xff\xff\xff\xff", "cut off"),  # a map of 2^48 pairs
        (b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "above 2^53"),
        (b"\x81" * 40 + b"\x00", "nested too deeply"),
        (b"\xa2\x61a\x01\x61a\x02", "the key a twice"),
        (b"\x80", "not 2 weights"),
        (encode_model("fed_1", 1, (weights(1)[0][:2], weights(1)[1])), "dense/kernel: not 48 bytes"),
    ],
)
def test_a_damaged_global_model_is_refused_with_what_is_wrong(tab: Page, document: bytes, said: str) -> None:
    found = run(
        tab,
        """const { readModel, DocumentError } = await import("/web/documents.js");
        try { readModel(bytes(document), parameters); } catch (error) {
          return error instanceof DocumentError ? error.message : `another error: ${error}`;
        }""",
        document=document,
        parameters=PARAMETERS.to_json(),
    )
    assert said in found


# --- Samples ---------------------------------------------------------------------------------------------------------


def _npz(*, compressed: bool = False, **arrays: Any) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


READ = """const { readFile } = await import("/web/samples.js");
const found = await readFile(new File([bytes(content)], "mine"));
return { ...found, values: Array.from(found.values) };"""


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", ["<f4", "<f8", ">f4", "<i2", "|i1", "<i8", "<u4"])
def test_002_5_an_npz_of_any_numbers_is_read_in_the_browser(tab: Page, kind: str, compressed: bool) -> None:
    x, y = (np.arange(24) - 5).astype(kind).reshape(4, 3, 2), np.array([3, 0, 1, 2], "<i8")
    found = run(tab, READ, content=_npz(compressed=compressed, x=x, y=y))
    assert found["values"] == x.astype(np.float32).ravel().tolist()
    assert (found["shape"], found["count"], found["labels"]) == ([3, 2], 4, [3, 0, 1, 2])


def test_002_5_bytes_of_pictures_become_0_to_1_and_labels_may_be_texts(tab: Page) -> None:
    x = np.array([0, 51, 255, 0], np.uint8).reshape(1, 2, 2, 1)
    found = run(tab, READ, content=_npz(x=x, y=np.array(["käse"])))
    assert found["values"] == [0, pytest.approx(0.2), 1, 0]
    assert found["labels"] == ["käse"]


def test_002_5_a_csv_is_read_with_its_label_column_wherever_it_is(tab: Page) -> None:
    found = run(tab, READ, content=b'length;"label";width\r\n1.5;cat;-2\r\n3;dog;4e1\r\n')
    assert found["values"] == [1.5, -2, 3, 40]
    assert (found["shape"], found["labels"]) == ([2], ["cat", "dog"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (_npz(z=np.zeros(3)), "no array x; it has z.npy"),
        (_npz(x=np.zeros((3, 2)), y=np.zeros(2)), "y has the shape [2], and x has 3 samples"),
        (_npz(x=np.asfortranarray(np.ones((3, 2)))), "stored by rows"),
        (_npz(x=np.zeros((3, 2)))[:-40], "its directory is missing"),
        (b"PK\x05\x06" + b"\xff" * 18, "The .npz is cut off"),
        (b"a,label\n1,2,3\n", "Line 2 has 3 columns"),
        (b"a,label\nx,2\n", "Line 2: x is no number"),
        (b"a,label\n", "no line of names"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_what_is_wrong(tab: Page, content: bytes, said: str) -> None:
    found = run(
        tab,
        f"""const {{ SamplesError }} = await import("/web/samples.js");
        try {{ {READ} }} catch (error) {{
          return error instanceof SamplesError ? error.message : `another error: ${{error}}`;
        }}""",
        content=content,
    )
    assert said in found


# --- Network ---------------------------------------------------------------------------------------------------------

DENSE: dict[str, Any] = {
    "parameters": PARAMETERS.to_json(),
    "input_shape": [3],
    "outputs": 4,
    "task": "classification",
    "loss": "cross-entropy",
    "from_logits": False,
    "scope": "all",
    "layers": [{"type": "dense", "name": "dense", "units": 4, "activation": "softmax", "bias": True}],
    "labels": ["a", "b", "c", "d"],
    "normalisation": {"mean": [1.0, 2.0, 3.0], "deviation": [0.5, 2.0, 1.0]},
}

TRAIN = """const { Network } = await import("/web/network.js");
const network = await Network.of(document);
network.setWeights(weights.map((values) => Float32Array.from(values)));
const samples = { values: Float32Array.from(x), count: y.length, labels: y };
const losses = [];
const before = await network.score(samples);
const loss = await network.train(samples, training, (epoch, value) => losses.push([epoch, value]));
const trained = (await network.weights()).map((values) => Array.from(values));
return { weights: trained, losses, loss, before, after: await network.score(samples) };"""


def test_002_5_training_in_the_browser_is_gradient_descent_on_the_scaled_samples(tab: Page) -> None:
    rng = np.random.default_rng(5)
    x, y, start, rate = rng.normal(2, 1, size=(12, 3)), rng.integers(0, 4, 12), weights(3), 0.5
    found = run(
        tab,
        TRAIN,
        document=DENSE,
        weights=[array.ravel().tolist() for array in start],
        x=x.ravel().tolist(),
        y=y.tolist(),
        training={"epochs": 2, "batch_size": 12, "learning_rate": rate},
    )
    kernel, bias = (array.astype(np.float64) for array in start)
    z, losses = (x - [1, 2, 3]) / [0.5, 2, 1], []
    accuracy = float(np.mean((z @ kernel + bias).argmax(1) == y))
    for _ in range(2):  # the whole of it is one batch: no order of samples matters
        logits = z @ kernel + bias
        chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        losses.append(float(-np.log(chances[range(12), y]).mean()))
        slope = (chances - np.eye(4)[y]) / 12
        kernel, bias = kernel - rate * z.T @ slope, bias - rate * slope.sum(0)
    assert found["losses"] == [[1, pytest.approx(losses[0], rel=1e-4)], [2, pytest.approx(losses[1], rel=1e-4)]]
    assert found["before"]["accuracy"] == pytest.approx(accuracy)
    np.testing.assert_allclose(found["weights"][0], kernel.ravel(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["weights"][1], bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scope": "head"}, "trains the head alone"),
        ({"layers": [{"type": "lstm", "units": 4}]}, "does not train a layer of the type lstm"),
        ({"parameters": [{"name": "dense/kernel", "shape": [3, 4]}]}, "the federation has 3x4"),
    ],
)
def test_a_federation_that_a_browser_cannot_train_is_refused_with_the_reason(
    tab: Page, change: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(Error, match=said):
        run(
            tab,
            'const { Network } = await import("/web/network.js"); await Network.of(JSON.parse(document));',
            document=json.dumps({**DENSE, **change}),
        )
