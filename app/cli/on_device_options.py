"""What the commands that train on this machine share: their data, their budget, how errors and scores are told."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from app.cli.errors import CliError, EndedBadly, ExitCode, Misused
from zoo.federated.device_state import StateError
from zoo.federated.errors import FederatedError
from zoo.federated.site import SiteError, SiteRefused
from zoo.training.errors import DataError, TrainingError
from zoo.training.on_device.budget import POWER_SUPPLY, Budget
from zoo.training.on_device.document import NotTrainableError
from zoo.training.on_device.trainer import Score, TrainReport

DataFile = Annotated[
    Path, typer.Option("--data", metavar="FILE", help=".npz with x (samples) and y (labels or numbers); it stays here.")
]
MaxSteps = Annotated[int | None, typer.Option(min=1, help="Of gradient descent, at most.")]
MaxMemory = Annotated[int | None, typer.Option(min=1, help="Do not train while this process uses more.")]
BatteryMin = Annotated[int | None, typer.Option(min=1, max=100, help="Do not train on a battery below this level.")]
PowerSupply = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where the kernel tells of batteries; /sys/class/power_supply.")
]


class Gone(CliError):
    """A federation's server does not answer any more, or not as one."""

    code = ExitCode.UNREACHABLE


class TurnedDown(CliError):
    """A federation's server said no."""

    code = ExitCode.REFUSED


@contextmanager
def refusing() -> Iterator[None]:
    """Errors of what runs inside, as the command line tells them."""
    try:
        yield
    except (DataError, NotTrainableError, StateError) as error:
        raise Misused(str(error), error.remedy) from error
    except TrainingError as error:
        raise EndedBadly(str(error), error.remedy) from error
    except SiteRefused as error:
        raise TurnedDown(error.detail, error.remedy or None) from error
    except SiteError as error:
        raise Gone(error.detail, error.remedy) from error
    except FederatedError as error:
        raise EndedBadly(error.detail, error.remedy) from error


def budget_of(steps: int | None, memory_mb: int | None, battery: int | None, power_supply: Path | None) -> Budget:
    """The options' budget."""
    return Budget(steps, memory_mb, battery, power_supply or POWER_SUPPLY)


def score_told(score: Score) -> str:
    """The one figure of a score, for a person."""
    return f"{score.accuracy:.1%} right" if score.accuracy is not None else f"{score.figure:.4g} off"


def report_loss(report: TrainReport) -> float | None:
    """The loss; None before the first step: JSON has no NaN."""
    return None if math.isnan(report.loss) else report.loss
