"""What can be wrong with a training: the recipe, the data, or how the worker ended.

TrainingError              code                  raised by
├─ RecipeError             recipe_invalid        recipe, network: `field` names the place in the recipe
├─ DataError               data_unsuitable       data, kinds: the data does not fit the recipe or the parent
├─ DivergedError           training_diverged     loop: a loss is not a number any more
├─ LimitError              training_limit        supervisor: the worker met a limit of time, memory or size
├─ WorkerError             worker_failed         supervisor: the worker ended without a result
│  └─ WorkerKilled         worker_killed         supervisor: someone killed it; another one can go on
├─ ReportedError           training_failed       supervisor: what the worker wrote down, with the slug it met
└─ CancelledTraining       training_cancelled    supervisor: asked to stop

Nothing here knows HTTP: the server maps a code to a status.
"""

from __future__ import annotations

from zoo.errors import ZooError


class TrainingError(ZooError):
    """A training, or what is given to one."""


class RecipeError(TrainingError):
    """The recipe is not one, or its layers do not fit each other."""

    code = "recipe_invalid"
    default_remedy = "Compare it with zoo/training/recipe.schema.json or with a recipe that ships (GET /v1/recipes)."


class DataError(TrainingError):
    """The data does not fit what is to be done with it."""

    code = "data_unsuitable"
    default_remedy = "Take another data set, or change the recipe's task and input."


class DivergedError(TrainingError):
    """A loss is not a number any more."""

    code = "training_diverged"
    default_remedy = "Take a smaller optimiser.rate, or standardise the features."


class LimitError(TrainingError):
    """The worker met one of its limits."""

    code = "training_limit"
    default_remedy = "Take fewer epochs, a smaller network or less data."


class WorkerError(TrainingError):
    """The worker ended without a result."""

    code = "worker_failed"
    default_remedy = "The end of the worker's own output is in the message; the same job may be started again."


class WorkerKilled(WorkerError):
    """The worker was killed: by a person, or by a machine without memory. Another one can go on."""

    code = "worker_killed"


class CancelledTraining(TrainingError):
    """Someone asked the training to stop."""

    code = "training_cancelled"
    default_remedy = "Start a new job."
