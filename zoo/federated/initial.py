"""Makes the untrained model that a simulation begins with: `python -m zoo.federated.initial NAME BATCH SEED FILE`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from zoo.federated.scenario import Scenario
from zoo.training import loop, network
from zoo.training.data import Scaling, outputs_wanted
from zoo.training.errors import RecipeError
from zoo.training.on_device.document import ALL
from zoo.training.on_device.export import export_trainable


def make(name: str, batch: int, seed: int) -> bytes:
    """The trainable file of the recipe's network with new weights. Raises RecipeError."""
    scenario = Scenario.named(name)
    recipe, data = scenario.recipe, scenario.data
    loop.make_deterministic()
    loop.seed(seed)
    model = network.build(recipe, data.sample_shape, outputs_wanted(recipe, data))
    scaling = Scaling.of(recipe, data).to_json()
    return export_trainable(model, recipe, scope=ALL, batch=batch, scaling=scaling, labels=data.labels)


def main() -> int:
    """Write the file; what the recipe does not allow is told as JSON on standard output."""
    name, batch, seed, path = sys.argv[1:]
    try:
        made = make(name, int(batch), int(seed))
    except RecipeError as error:
        sys.stdout.write(json.dumps({"message": str(error), "field": error.field, "remedy": error.remedy}))
        return 1
    Path(path).write_bytes(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
