"""The trainable models of the tests' devices; `python -m tests.support.trainable_digits` makes their files anew.

They learned the upright digits of scikit-learn but the last 450. A device sees its own: turned by a
quarter.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.digits import digits, write_snapshot

FOLDER = Path(__file__).parents[1] / "data"
WHOLE = FOLDER / "trainable-digits.tflite"
"""Every layer learns: 64-24-10."""
HEAD = FOLDER / "trainable-digits-head.tflite"
"""A frozen convolution before a dense layer that learns."""
BATCH = 16

_RECIPE: dict[str, Any] = {
    "recipe": 1,
    "task": "classification",
    "optimiser": {"type": "adam", "rate": 0.01},
    "epochs": 20,
    "batch": 32,
}
_LAYERS: dict[Path, list[dict[str, Any]]] = {
    WHOLE: [
        {"type": "flatten"},
        {"type": "dense", "units": 24, "activation": "relu"},
        {"type": "dense", "activation": "softmax"},
    ],
    HEAD: [
        {"type": "conv2d", "filters": 8, "kernel": 3, "activation": "relu"},
        {"type": "max_pooling2d", "pool": 2},
        {"type": "flatten"},
        {"type": "dense", "activation": "softmax"},
    ],
}


def pictures(rows: slice, *, turned: bool = False) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Samples as a device's camera gives them, and their labels."""
    found, numbers = digits()
    chosen = found[rows]
    return np.ascontiguousarray(np.rot90(chosen, 1, (1, 2)) if turned else chosen), numbers[rows]


def write(path: Path, rows: slice, *, turned: bool = False) -> Path:
    """A file of local samples."""
    x, y = pictures(rows, turned=turned)
    np.savez(path, x=x, y=y)
    return path


def main() -> None:
    """Train both networks, and write their trainable forms."""
    from zoo.training import supervisor
    from zoo.training.job import Job, Parent, Trainable

    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sha256 = write_snapshot(folder / "digits")
        for target, layers in _LAYERS.items():
            limits = {"memory_bytes": 2 << 30, "seconds": 120}
            recipe = {**_RECIPE, "layers": layers}
            learned = folder / target.stem
            job = Job("centralised", str(folder / "digits"), sha256, recipe, None, **limits)
            made = supervisor.run(job, learned, report=lambda _: None, cancelled=lambda: False)
            files = {form: str(learned / name) for form, name in made.files.items()}
            parent = Parent(files["int8"], files["keras"], files["float32"], recipe, made.scaling, made.labels)
            scope = "head" if target == HEAD else "all"
            wanted = Job(
                "trainable",
                str(folder / "digits"),
                sha256,
                None,
                parent,
                **limits,
                trainable=Trainable(scope, BATCH),
            )
            exported = supervisor.run(wanted, folder / scope, report=lambda _: None, cancelled=lambda: False)
            target.write_bytes((folder / scope / exported.files["trainable"]).read_bytes())


if __name__ == "__main__":
    main()
