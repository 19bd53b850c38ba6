"""`tinymlaas federations`: clients train on data of their own, and the server averages what they send."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from app.cli import files
from app.cli.client import Answer, ApiClient, at
from app.cli.errors import EndedBadly, Misused
from app.cli.options import DEFAULT_LIMIT, All, Limit, Wait, bounded, parse_reference
from app.cli.output import facts, short, state, table
from app.cli.session import Session, session_of
from app.cli.waiting import POLL_SECONDS, Patience
from app.contract.models import (
    EnrolledFederationClient,
    Federation,
    FederationClient,
    FederationClientRequest,
    FederationRequest,
    FederationRound,
    FederationScore,
    FederationTraining,
)

commands = typer.Typer(no_args_is_help=True, help="Training together without data: clients send weights alone.")

FederationId = Annotated[str, typer.Argument(metavar="FEDERATION")]

_ENDED = frozenset({"finished", "failed", "cancelled"})


@commands.command()
def create(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="NAME, or NAME@VERSION: where it starts from.")],
    snapshot: Annotated[str, typer.Option(metavar="SHA256", help="Held-out data, for each round's accuracy.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Without it the model's.")] = None,
    scope: Annotated[str, typer.Option(metavar="all|head", help="What is trained; boards train the head.")] = "all",
    rounds: Annotated[int, typer.Option(min=1, max=1000)] = 30,
    fraction: Annotated[float, typer.Option(help="Of the clients that a round selects.")] = 1.0,
    minimum_clients: Annotated[int, typer.Option(min=1, help="Fewer updates make no average.")] = 2,
    deadline: Annotated[int, typer.Option(metavar="SECONDS", min=1, help="How long a round waits.")] = 600,
    epochs: Annotated[int, typer.Option(min=1, max=100, help="Of a client in a round.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, max=1024)] = 16,
    learning_rate: Annotated[float, typer.Option()] = 0.01,
    clip_norm: Annotated[float | None, typer.Option(help="The most that an update moves.")] = None,
    noise_multiplier: Annotated[float, typer.Option(help="Noise on the average; needs --clip-norm.")] = 0.0,
    outlier_factor: Annotated[
        float | None, typer.Option(help="Leave out updates that move too far, such as 6.")
    ] = None,
    max_samples: Annotated[int, typer.Option(min=1, help="What a client is believed to have.")] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the selection of clients.")] = 1,
    wait: Wait = True,
) -> None:
    """Begin a federation; wait until clients can enrol."""
    session = session_of(context)
    base, version = parse_reference(model)
    request = FederationRequest.model_construct(
        model=base,
        version=version,
        snapshot=snapshot,
        name=name,
        scope=scope,  # type: ignore[arg-type]  # the server says what there is
        rounds=rounds,
        fraction=fraction,
        minimum_clients=minimum_clients,
        deadline_seconds=deadline,
        training=FederationTraining.model_construct(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate),
        clip_norm=clip_norm,
        noise_multiplier=noise_multiplier,
        outlier_factor=outlier_factor,
        max_samples=max_samples,
        seed=seed,
    )
    with session.client() as client:
        answer = client.post(at("federations"), Federation, request)
        if wait:
            with session.output.spinner("preparing"):
                answer = _until(session, client, answer.body.id, lambda body: body.state != "preparing")
    _finish(session, answer)


@commands.command("list")
def list_federations(
    context: typer.Context,
    state_: Annotated[str | None, typer.Option("--state", help="Only those in this state.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    everything: All = False,
) -> None:
    """List federations, newest first."""
    session = session_of(context)
    filters = {"state": state_} if state_ is not None else {}
    with session.client() as client:
        listing = client.listing(at("federations"), Federation, limit=bounded(limit, everything), params=filters)
    session.output.listing(
        listing,
        ("ID", "NAME", "STATE", "MODEL", "CLIENTS", "ROUND", "SCORE", "CREATED"),
        lambda item: (
            item.id,
            item.name,
            state(item.state),
            _model(item),
            item.clients,
            f"{item.round}/{item.settings.rounds}",
            _score(item.history[-1].score) if item.history else None,
            item.created_at,
        ),
    )


@commands.command()
def show(context: typer.Context, federation_id: FederationId) -> None:
    """Show a federation: what it trains, how far it is, what came out."""
    session = session_of(context)
    with session.client() as client:
        session.output.answer(client.get(at("federations", federation_id), Federation), view)


@commands.command()
def enrol(
    context: typer.Context,
    federation_id: FederationId,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="What the client is called here.")] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="ENDPOINT", help="A board that registered over LwM2M, in place of a name.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the token here, for its owner alone, and do not show it.")
    ] = None,
) -> None:
    """Enrol a client: its token is shown once."""
    session = session_of(context)
    if (name is None) == (endpoint is None):
        raise Misused("Name a client, or give --endpoint for a board; one of the two.")
    if endpoint is not None and token_file is not None:
        raise Misused("A board has no token: the server comes to it over LwM2M. Leave --token-file out.")
    request = FederationClientRequest.model_construct(name=name, endpoint=endpoint)
    path = at("federations", federation_id, "clients")
    if token_file is None:
        with session.client() as client:
            answer = client.post(path, EnrolledFederationClient, request)
        page = f"{session.server}/federate#federation={federation_id}&token={answer.body.token}"
        session.output.answer(answer, lambda body: _enrolled_view(body, page if body.token else None))
        return
    with files.replacing(token_file, mode=0o600) as file, session.client() as client:
        # The file is open before there is a token: one that could not be written would be lost.
        answer = client.post(path, EnrolledFederationClient, request)
        file.write((answer.body.token or "").encode())
    hidden = answer.body.model_copy(update={"token": None})
    session.output.answer(Answer(hidden, hidden.model_dump(mode="json")), _enrolled_view)
    session.output.note(f"{token_file} has the token.")


@commands.command()
def clients(
    context: typer.Context, federation_id: FederationId, limit: Limit = DEFAULT_LIMIT, everything: All = False
) -> None:
    """List the clients in the order of their enrolment."""
    session = session_of(context)
    with session.client() as client:
        path = at("federations", federation_id, "clients")
        listing = client.listing(path, FederationClient, limit=bounded(limit, everything))
    session.output.listing(
        listing,
        ("ID", "NAME", "BOARD", "ENROLLED"),
        lambda item: (item.id, item.name, item.endpoint, item.created_at),
    )


@commands.command()
def remove(
    context: typer.Context, federation_id: FederationId, client_id: Annotated[str, typer.Argument(metavar="CLIENT")]
) -> None:
    """Take a client out: its token is void at once."""
    session = session_of(context)
    with session.client() as client:
        client.delete(at("federations", federation_id, "clients", client_id))
    session.output.note(f"{client_id} is out.")


@commands.command()
def start(context: typer.Context, federation_id: FederationId) -> None:
    """Begin the rounds."""
    session = session_of(context)
    with session.client() as client:
        session.output.answer(client.post(at("federations", federation_id, "start"), Federation), view)


@commands.command()
def follow(context: typer.Context, federation_id: FederationId) -> None:
    """Follow a federation to its end, round by round; a failed one's exit code is 1."""
    session = session_of(context)
    with session.client() as client:
        total = client.get(at("federations", federation_id), Federation).body.settings.rounds
        with session.output.steps_bar("round", total) as show_round:

            def over(body: Federation) -> bool:
                if not body.history:
                    show_round(0, body.state)
                # By the history: the newest round may be open, and several may have closed since the last look.
                for closed in body.history:
                    show_round(closed.round, _score(closed.score))
                return body.state in _ENDED

            answer = _until(session, client, federation_id, over)
    _finish(session, answer)


@commands.command()
def cancel(context: typer.Context, federation_id: FederationId) -> None:
    """Cancel a federation; no version is made."""
    session = session_of(context)
    with session.client() as client:
        session.output.answer(client.post(at("federations", federation_id, "cancellation"), Federation), view)


@commands.command()
def rounds(
    context: typer.Context, federation_id: FederationId, limit: Limit = DEFAULT_LIMIT, everything: All = False
) -> None:
    """List the rounds, newest first."""
    session = session_of(context)
    with session.client() as client:
        path = at("federations", federation_id, "rounds")
        listing = client.listing(path, FederationRound, limit=bounded(limit, everything))
    session.output.listing(
        listing,
        ("ROUND", "STATE", "SELECTED", "AVERAGED", "REFUSED", "SAMPLES", "SCORE", "LOSS", "CLOSED"),
        lambda item: (
            item.round,
            state(item.state),
            len(item.selected),
            sum(update.state == "averaged" for update in item.updates),
            sum(update.state == "refused" for update in item.updates),
            item.samples,
            _score(item.score) if item.score else None,
            item.score.loss if item.score else None,
            item.closed_at,
        ),
    )


@commands.command("round")
def show_round(
    context: typer.Context, federation_id: FederationId, number: Annotated[int, typer.Argument(metavar="N", min=1)]
) -> None:
    """Show a round: what each client sent, or why it was refused."""
    session = session_of(context)
    with session.client() as client:
        answer = client.get(at("federations", federation_id, "rounds", number), FederationRound)
    session.output.answer(answer, _round_view)


@commands.command()
def picture(
    context: typer.Context,
    federation_id: FederationId,
    to: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.svg", help="Where to write it.")],
) -> None:
    """Draw how good the average was after each round, as SVG."""
    session = session_of(context)
    with session.client() as client, files.replacing(to) as file:
        file.write(client.text(at("federations", federation_id, "picture")).content)
    session.output.note(f"{to} is written.")


def _until(
    session: Session, client: ApiClient, federation_id: str, holds: Callable[[Federation], bool]
) -> Answer[Federation]:
    """Ask until something holds, through short outages of the server."""
    patience = Patience(session)
    while True:
        answer = patience(lambda: client.get(at("federations", federation_id), Federation))
        if answer is not None and holds(answer.body):
            return answer
        session.sleep(POLL_SECONDS)


def _finish(session: Session, answer: Answer[Federation]) -> None:
    session.output.answer(answer, view)
    body = answer.body
    if body.state in {"failed", "cancelled"}:
        if body.error is not None:
            raise EndedBadly(body.error.detail, body.error.remedy)
        raise EndedBadly(f"Federation {body.id} was {body.state}.")


def _model(body: Federation) -> str:
    return f"{body.model}@{body.version}"


def _score(score: FederationScore) -> str:
    return f"{score.metric.replace('_', ' ')} {score.value:.4g}"


def view(body: Federation) -> RenderableType:
    """A federation for a person."""
    settings, training = body.settings, body.settings.training
    numbers = None
    if body.parameters is not None:
        numbers = ", ".join(f"{item.name} {'x'.join(map(str, item.shape))}" for item in body.parameters)
    return facts(
        [
            ("federation", body.id),
            ("name", body.name),
            ("state", state(body.state)),
            ("starts from", _model(body)),
            ("trains", f"{body.scope}: {numbers}" if numbers else body.scope),
            ("held-out data", short(body.snapshot_sha256)),
            ("clients", f"{body.clients}, at least {settings.minimum_clients} in a round"),
            ("round", f"{body.round} of {settings.rounds}, {settings.deadline_seconds} seconds each"),
            (
                "training",
                f"{training.epochs} epochs in batches of {training.batch_size}, learning rate {training.learning_rate}",
            ),
            ("clip norm", settings.clip_norm),
            ("noise", settings.noise_multiplier or None),
            ("outliers", f"beyond {settings.outlier_factor} deviations" if settings.outlier_factor else None),
            ("score before", _score(body.history[0].score) if body.history else None),
            ("score now", _score(body.history[-1].score) if len(body.history) > 1 else None),
            ("result", f"{body.result.model}@{body.result.version}" if body.result else None),
            ("created", body.created_at),
            ("finished", body.finished_at),
            ("error", body.error.detail if body.error else None),
            ("remedy", body.error.remedy if body.error else None),
        ]
    )


def _enrolled_view(body: EnrolledFederationClient, page: str | None = None) -> RenderableType:
    return facts(
        [
            ("client", body.id),
            ("name", body.name),
            ("board", body.endpoint),
            ("token, never shown again", body.token),
            ("for a browser", page),
        ]
    )


def _round_view(body: FederationRound) -> RenderableType:
    made = facts(
        [
            ("round", body.round),
            ("state", state(body.state)),
            ("selected", ", ".join(body.selected)),
            ("starts from", short(body.model_sha256)),
            ("average", short(body.result_sha256)),
            ("score", _score(body.score) if body.score else None),
            ("loss", body.score.loss if body.score else None),
            ("deadline", body.deadline_at),
            ("closed", body.closed_at),
        ]
    )
    if not body.updates:
        return made
    rows = [
        (
            item.client,
            state(item.state),
            item.samples,
            item.size,
            item.norm,
            item.loss,
            f"{item.reason.slug}: {item.reason.detail}" if item.reason else None,
        )
        for item in body.updates
    ]
    return Group(made, Text(""), table(("CLIENT", "STATE", "SAMPLES", "BYTES", "NORM", "LOSS", "REASON"), rows))
