"""`tinymlaas federate`: models that learn where the data is."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import files
from app.cli.errors import EndedBadly, Misused
from app.cli.output import facts
from app.cli.session import Session, session_of
from zoo.errors import ZooError
from zoo.federated.clients import Trainer, Training
from zoo.federated.coordinator import Rules
from zoo.federated.documents import Form
from zoo.federated.page import page, summary
from zoo.federated.scenario import DIGITS, Scenario, Split, initial
from zoo.federated.simulate import FEDERATED, Comparison, Simulation

commands = typer.Typer(no_args_is_help=True, help="Federated learning: models learn where the data is.")

_LEARNING, _PROTECTION = "Learning", "Protection"


@commands.command()
def simulate(
    context: typer.Context,
    model: Annotated[
        str, typer.Option(help=f"{DIGITS}, a small dense network, or a model of the zoo that tells labels apart.")
    ] = DIGITS,
    clients: Annotated[int, typer.Option(min=2, max=2000, help="How many take part.")] = 10,
    split: Annotated[Split, typer.Option(help="How samples are dealt out to clients.")] = Split.LABEL,
    alpha: Annotated[
        float, typer.Option(min=0.001, max=10_000, help="With split label: the smaller, the fewer labels a client has.")
    ] = 0.3,
    seed: Annotated[int, typer.Option(min=0, help="Repeats a simulation.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, max=1000, rich_help_panel=_LEARNING)] = 30,
    fraction: Annotated[
        float, typer.Option(min=0.001, max=1, help="Of the clients in each round.", rich_help_panel=_LEARNING)
    ] = 1.0,
    minimum: Annotated[
        int, typer.Option(min=1, help="Updates that a round needs.", rich_help_panel=_LEARNING)
    ] = Rules.minimum_clients,
    epochs: Annotated[
        int, typer.Option(min=1, max=100, help="Of each client in a round.", rich_help_panel=_LEARNING)
    ] = Training.epochs,
    batch_size: Annotated[int, typer.Option(min=1, max=1024, rich_help_panel=_LEARNING)] = 16,
    learning_rate: Annotated[float, typer.Option(min=1e-6, max=10, rich_help_panel=_LEARNING)] = Training.learning_rate,
    form: Annotated[Form, typer.Option(help="In which weights travel.", rich_help_panel=_LEARNING)] = "float32",
    clip_norm: Annotated[
        float | None,
        typer.Option(min=1e-6, max=1e6, help="How far an update may move the model.", rich_help_panel=_PROTECTION),
    ] = None,
    noise_multiplier: Annotated[
        float, typer.Option(min=0, max=100, help="Noise, in clip norms; hides one client.", rich_help_panel=_PROTECTION)
    ] = 0.0,
    outlier_factor: Annotated[
        float,
        typer.Option(min=0, help="Refuses what moves so much further; 0 refuses none.", rich_help_panel=_PROTECTION),
    ] = Rules.outlier_factor or 0.0,
    attack: Annotated[
        int,
        typer.Option(
            min=0, help="So many clients send scaled, broken or replayed updates.", rich_help_panel=_PROTECTION
        ),
    ] = 0,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write one HTML page.")] = None,
) -> None:
    """Simulate a federation on this machine, beside one training on all data and each client's alone; no server."""
    session = session_of(context)
    if noise_multiplier and clip_norm is None:
        raise Misused("--noise-multiplier needs --clip-norm.", "Noise is measured in clip norms: give one, as 1.0.")
    if attack >= clients:
        raise Misused(f"{attack} of {clients} clients cannot attack.", f"Let at most {clients - 1} attack.")
    if minimum > clients:
        raise Misused(f"A round of {clients} clients never has {minimum} updates.", f"Ask for at most {clients}.")
    rules = Rules(
        rounds=rounds,
        fraction=fraction,
        minimum_clients=minimum,
        clip_norm=clip_norm,
        noise_multiplier=noise_multiplier,
        outlier_factor=outlier_factor or None,
        seed=seed,
    )
    training = Training(epochs, learning_rate, form)
    try:
        scenario = Scenario.named(model)
        dealt, held_out = scenario.dealt(split, clients, alpha, seed)
        trainer = _trainer(session, model, batch_size, seed)
        found = _run(session, Simulation(trainer, dealt, held_out, rules, training, attack))
    except ZooError as error:
        raise EndedBadly(str(error), error.remedy) from error
    settings = {
        "model": model,
        "split": f"{split}, alpha {alpha:g}" if split is Split.LABEL else str(split),
        **vars(rules),
        **vars(training),
        "batch_size": batch_size,
    }
    if output is not None:
        title = f"{model}: {clients} clients, {rounds} rounds"
        with files.replacing(output) as file:
            file.write(page(title, found, settings, scenario.distribution(dealt), scenario.labels).encode())
    _tell(session, found, settings, output)


def _trainer(session: Session, model: str, batch: int, seed: int) -> Trainer:
    """The real one, with new weights."""
    with session.output.spinner(f"{model}: the first model is made"):
        made = initial(model, batch, seed)
    from zoo.training.on_device.trainer import LiteRtTrainer  # LiteRT: not for every command

    return LiteRtTrainer(made)


def _run(session: Session, simulation: Simulation) -> Comparison:
    output = session.output
    with output.spinner("rounds") as show:

        def report(what: str, done: int, of: int, told: str) -> None:
            show(f"{what}: {done} of {of}, {told}")
            if what == FEDERATED and not output.json:
                output.note(f"Round {done} of {of}: {told}")

        return simulation.run(report)


def _tell(session: Session, found: Comparison, settings: dict[str, object], page_at: Path | None) -> None:
    output = session.output
    if output.json:
        output.raw({"settings": settings, **found.to_json()})
        return
    output.show(facts(list(summary(found))))
    if page_at is not None:
        output.note(f"{page_at} compares them in pictures.")
