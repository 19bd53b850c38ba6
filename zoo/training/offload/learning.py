"""The kind `offload`: a network of nntrainer, trained on what a small device sent, and its .bin."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from zoo.training import learning, loop
from zoo.training.data import Scaling, learned, outputs_wanted
from zoo.training.errors import DataError
from zoo.training.job import Outcome
from zoo.training.offload import network
from zoo.training.offload.conversion import as_recipe, to_recipe
from zoo.training.offload.description import parse_description
from zoo.training.offload.weights import Weights, of_keras, parse_weights
from zoo.training.work import Work

FILE = "trained.bin"


def offload(work: Work) -> Outcome:
    """From the .bin's weights when there are some, otherwise from new ones."""
    asked = work.offload
    if asked is None:
        raise DataError("This kind of job belongs to a session of offloading, and there is none.")
    description = parse_description(asked.ini.encode())
    recipe = as_recipe(description, epochs=asked.epochs, seed=asked.seed)
    outputs = outputs_wanted(recipe, work.data)
    if work.data.sample_shape != description.input.shape or (outputs,) != description.output.shape:
        raise DataError("The samples do not fit the network of the .ini.")
    arrays = learned(recipe, work.data, Scaling())
    loop.seed(asked.seed)
    model = network.build(description)
    start = Weights(())
    if asked.weights is not None:
        start = parse_weights(description, Path(asked.weights).read_bytes())
        network.set_weights(model, description, start.to_keras(description))
    history = loop.train(
        model,
        recipe,
        arrays,
        work.folder,
        work.key,
        work.report,
        optimiser=network.optimiser(description),
        shuffled=asked.shuffled,
    )
    trained = of_keras(
        description,
        network.weights_of(model, description),
        epoch=start.epoch + len(history),
        iteration=start.iteration + len(history) * math.ceil(len(arrays.train_x) / recipe.batch),
    )
    document = to_recipe(description, epochs=asked.epochs, seed=asked.seed)
    made = learning.outcome(work, recipe, model, history, Scaling(), document)
    return replace(made, files={**made.files, "nntrainer": work.write(FILE, trained.dump())})
