"""`tinymlaas federate client`: takes part in a federation with samples that stay on this machine."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from app.cli.errors import Misused
from app.cli.federation_sites import OpenSite, open_site, read_secret
from app.cli.on_device_options import (
    BatteryMin,
    DataFile,
    MaxMemory,
    MaxSteps,
    PowerSupply,
    budget_of,
    refusing,
    score_told,
)
from app.cli.output import Output
from app.cli.session import session_of
from lwm2m.client.connection import Psk
from zoo.federated.device_client import Ended, FederatedClient, Part, Patience, Settings
from zoo.federated.device_state import ClientState
from zoo.federated.documents import most_bytes
from zoo.training.on_device import samples
from zoo.training.on_device.course import CHECKPOINT_SECONDS
from zoo.training.on_device.trainer import LiteRtTrainer

State = Annotated[
    Path, typer.Option("--state", metavar="DIR", help="What survives a restart: model, checkpoint, unsent update.")
]
REASONS = {
    "done": "The federation is over.",
    "rounds": "That was enough rounds.",
    "opted-out": "This device has opted out: nothing is trained for the federation or sent.",
}


def client(
    context: typer.Context,
    federation: Annotated[str, typer.Option(metavar="ID", help="The federation.")],
    token_file: Annotated[Path, typer.Option(metavar="FILE", help="The token of the enrolment, in one line.")],
    data: DataFile,
    state: State = Path("federation-client"),
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The trainable .tflite; over HTTP it is fetched.")
    ] = None,
    form: Annotated[
        Literal["float32", "float16", "int8"], typer.Option(help="Of the weights on the wire: 4, 2 or 1 byte each.")
    ] = "float32",
    rounds: Annotated[int | None, typer.Option(min=1, help="End after so many updates.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the order of the samples.")] = 1,
    max_steps: MaxSteps = None,
    max_memory_mb: MaxMemory = None,
    battery_min_percent: BatteryMin = None,
    power_supply: PowerSupply = None,
    give_up_seconds: Annotated[
        float | None, typer.Option(min=0, help="End when the server was silent for so long; without it never.")
    ] = None,
    poll_seconds: Annotated[
        float, typer.Option(min=0.05, help="Between two questions when there is nothing to do.")
    ] = 5.0,
    checkpoint_seconds: Annotated[
        float, typer.Option(min=0, help="Between two checkpoints of a training; each writes all weights.")
    ] = CHECKPOINT_SECONDS,
    psk_identity: Annotated[str | None, typer.Option(metavar="NAME", help="For coaps://.")] = None,
    psk_key_file: Annotated[Path | None, typer.Option(metavar="FILE", help="Its key in hexadecimal.")] = None,
) -> None:
    """Train where the samples are, and hand over weights only; ended at any moment, it goes on where it was.

    --server is the federation's: http://, https://, coap:// or coaps://.
    """
    session = session_of(context)
    output = session.output
    psk = _psk(psk_identity, psk_key_file)
    token = read_secret(token_file, "the token")
    patience = Patience(output.note, give_up_seconds, session.sleep, session.clock)
    settings = Settings(form, seed, rounds, poll_seconds, checkpoint_seconds)
    budget = budget_of(max_steps, max_memory_mb, battery_min_percent, power_supply)
    with refusing(), open_site(session.server, federation, token, psk, session.transport) as site:
        kept = ClientState(state)
        with kept.held(federation):
            trainer = LiteRtTrainer(_model(site, kept, model, patience))
            site.most_model_bytes = most_bytes(trainer.parameters)
            own = samples.load(data, trainer.document)
            output.note(f"{len(own)} samples of {data} stay here; {trainer.parameters.count} weights are shared.")
            taking_part = FederatedClient(
                site, trainer, own, kept, settings, budget, patience, lambda part: _told(output, part)
            )
            _finish(output, taking_part.run())


def opt_out(context: typer.Context, state: State = Path("federation-client")) -> None:
    """Say no: from now on nothing is trained for the federation or sent from this folder."""
    ClientState(state).opt_out()
    session_of(context).output.line(f"{state} has opted out; `tinymlaas federate opt-in` takes it back.")


def opt_in(context: typer.Context, state: State = Path("federation-client")) -> None:
    """Take part again."""
    ClientState(state).opt_in()
    session_of(context).output.line(f"{state} takes part again.")


def add_to(commands: typer.Typer) -> None:
    """Put the client's commands into the group `federate`."""
    commands.command()(client)
    commands.command("opt-out")(opt_out)
    commands.command("opt-in")(opt_in)


def _model(site: OpenSite, kept: ClientState, given: Path | None, patience: Patience) -> bytes:
    if given is not None:
        try:
            return given.read_bytes()
        except OSError as error:
            raise Misused(f"{given}: {error.strerror or error}.", "Give the federation's trainable .tflite.") from error
    found = kept.trainable
    if found is None:
        found = patience(site.trainable)
        kept.keep_trainable(found)
    return found


def _told(output: Output, part: Part) -> None:
    if output.json:
        output.raw(
            {
                "round": part.round,
                "samples": part.samples,
                "steps": part.steps,
                "loss": part.loss,
                "before": part.before.figure,
                "after": part.after.figure,
                "bytes": part.bytes,
            },
            indent=None,
        )
    else:
        output.line(
            f"round {part.round}: {part.steps} steps on {part.samples} samples, loss {part.loss:.4g}, "
            f"{score_told(part.before)} before and {score_told(part.after)} after; {part.bytes:,} bytes handed over"
        )


def _finish(output: Output, ended: Ended) -> None:
    if output.json:
        output.raw({"ended": ended.reason, "handed_over": ended.handed_over}, indent=None)
    else:
        output.line(f"{REASONS[ended.reason]} {ended.handed_over} updates were handed over.")


def _psk(identity: str | None, key_file: Path | None) -> Psk | None:
    if identity is None and key_file is None:
        return None
    if identity is None or key_file is None:
        raise Misused("A pre-shared key has an identity and a key.", "Give --psk-identity and --psk-key-file.")
    try:
        return Psk(identity, bytes.fromhex(read_secret(key_file, "the key in hexadecimal")))
    except ValueError as error:
        raise Misused(
            f"{key_file} does not hold hexadecimal digits.", "Write the key into it as hexadecimal."
        ) from error
