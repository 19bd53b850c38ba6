"""`tinymlaas datasets`: samples in, what they are like, and snapshots to train on."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from app.cli import files
from app.cli.client import at
from app.cli.options import DEFAULT_LIMIT, All, Limit, bounded
from app.cli.output import facts, short, table
from app.cli.session import session_of
from app.contract.models import (
    Dataset,
    DatasetRequest,
    DatasetRetention,
    DatasetStatistics,
    DatasetUpload,
    LabelCount,
    Sample,
    Snapshot,
    SnapshotRequest,
)

commands = typer.Typer(no_args_is_help=True, help="Datasets: samples, statistics, snapshots to train on.")

Name = Annotated[str, typer.Argument(metavar="DATASET")]
Days = Annotated[int | None, typer.Option("--retain-days", min=1, help="Delete samples after so many days.")]
Column = Annotated[str | None, typer.Option(metavar="COLUMN")]
Share = Annotated[float, typer.Option(min=0, max=1)]


@commands.command("list")
def list_datasets(context: typer.Context, limit: Limit = DEFAULT_LIMIT, everything: All = False) -> None:
    """List datasets by name."""
    session = session_of(context)
    with session.client() as client:
        listing = client.listing(at("datasets"), Dataset, limit=bounded(limit, everything))
    session.output.listing(
        listing,
        ("NAME", "SAMPLES", "LABELS", "SHAPE", "DESCRIPTION"),
        lambda found: (
            found.name,
            found.samples,
            len([item for item in found.labels if item.label is not None]),
            _shape(found.data_schema.shape) if found.data_schema else None,
            found.description,
        ),
    )


@commands.command()
def create(
    context: typer.Context,
    name: Name,
    description: Annotated[str, typer.Option(help="What it is and where it comes from.")] = "",
    days: Days = None,
    key: Annotated[
        str | None, typer.Option("--signing-key", envvar="TINYMLAAS_SIGNING_KEY", help="Acquisitions must be signed.")
    ] = None,
) -> None:
    """Make an empty dataset."""
    session = session_of(context)
    request = DatasetRequest.model_construct(name=name, description=description, retain_days=days, signing_key=key)
    with session.client() as client:
        session.output.answer(client.post(at("datasets"), Dataset, request), _view)


@commands.command()
def show(context: typer.Context, name: Name) -> None:
    """Show a dataset's schema and labels."""
    session = session_of(context)
    with session.client() as client:
        session.output.answer(client.get(at("datasets", name), Dataset), _view)


@commands.command()
def add(
    context: typer.Context,
    name: Name,
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", help="One file, or a .data with its .json.")],
    label: Annotated[str | None, typer.Option(help="Of samples that bring none of their own.")] = None,
    label_column: Column = None,
    group_column: Column = None,
    targets: Annotated[str | None, typer.Option(metavar="COLUMNS", help="Numbers to predict, by commas.")] = None,
    ignore: Annotated[str | None, typer.Option(metavar="COLUMNS", help="To leave out, by commas.")] = None,
    shape: Annotated[str | None, typer.Option(metavar="HxWxC", help="Resize pictures, lay out columns.")] = None,
    window: Annotated[int | None, typer.Option(min=1, help="Readings in a sample.")] = None,
    stride: Annotated[int | None, typer.Option(min=1, help="Readings from a window to the next.")] = None,
    part: Annotated[str | None, typer.Option(metavar="PART", help="train, validation or test.")] = None,
    duplicates: Annotated[bool, typer.Option("--duplicates/--no-duplicates", help="Keep samples twice.")] = True,
) -> None:
    """Add samples: CSV, .npz, a zip of folders of pictures, acquisitions in JSON or CBOR, datareposrc's two files."""
    session = session_of(context)
    said = {
        "label_column": label_column,
        "group_column": group_column,
        "targets": targets,
        "ignore": ignore,
        "shape": shape,
        "window": window,
        "stride": stride,
        "part": part,
    }
    headers = {"x-label": label, "x-disallow-duplicates": None if duplicates else "1"}
    with session.client() as client, files.all_opened(paths) as sources, session.output.spinner("adding"):
        answer = client.submit(
            at("datasets", name, "samples"),
            DatasetUpload,
            "file",
            sources,
            params={key: str(value) for key, value in said.items() if value is not None},
            headers={key: value for key, value in headers.items() if value is not None},
        )
    session.output.answer(answer, _upload_view)


@commands.command()
def samples(
    context: typer.Context,
    name: Name,
    label: Annotated[str | None, typer.Option(help="Only of this label.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    everything: All = False,
) -> None:
    """List samples, newest first."""
    session = session_of(context)
    params = {"label": label} if label is not None else None
    with session.client() as client:
        listing = client.listing(
            at("datasets", name, "samples"), Sample, limit=bounded(limit, everything), params=params
        )
    session.output.listing(
        listing,
        ("ID", "LABEL", "GROUP", "PART", "SHA256"),
        lambda sample: (sample.id, sample.label, sample.group, sample.part, short(sample.sha256)),
    )


@commands.command()
def rejected(context: typer.Context, name: Name, upload_id: Annotated[str, typer.Argument(metavar="UPLOAD")]) -> None:
    """Print an upload's rejected rows as JSON lines."""
    session = session_of(context)
    with session.client() as client:
        lines = client.text(at("datasets", name, "uploads", upload_id, "rejected")).text
    typer.echo(lines, nl=False)  # JSON escapes what would steer a terminal


@commands.command()
def statistics(context: typer.Context, name: Name) -> None:
    """Show what each column, sensor or colour channel is like."""
    session = session_of(context)
    with session.client() as client:
        answer = client.get(at("datasets", name, "statistics"), DatasetStatistics)
    session.output.answer(
        answer,
        lambda body: table(
            ("FEATURE", "VALUES", "MEAN", "STD", "MINIMUM", "MAXIMUM"),
            [(item.name, item.count, item.mean, item.std, item.minimum, item.maximum) for item in body.features],
        ),
    )


@commands.command()
def picture(
    context: typer.Context,
    name: Name,
    to: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.svg", help="Where to write it.")],
) -> None:
    """Draw the dataset: labels and some of its samples, as SVG."""
    session = session_of(context)
    with session.client() as client, files.replacing(to) as file:
        file.write(client.text(at("datasets", name, "picture")).content)
    session.output.note(f"{to} is written.")


@commands.command()
def snapshot(
    context: typer.Context,
    name: Name,
    train: Share = 0.7,
    validation: Share = 0.15,
    test: Share = 0.15,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    by_group: Annotated[bool, typer.Option("--by-group/--by-sample", help="Keep groups together.")] = True,
) -> None:
    """Keep the dataset as it is now, split for training; prints the snapshot's hash."""
    session = session_of(context)
    request = SnapshotRequest.model_construct(
        train=train, validation=validation, test=test, seed=seed, by_group=by_group
    )
    with session.client() as client:
        answer = client.post(at("datasets", name, "snapshots"), Snapshot, request)
    session.output.answer(answer, _snapshot_view)


@commands.command()
def snapshots(context: typer.Context, name: Name, limit: Limit = DEFAULT_LIMIT, everything: All = False) -> None:
    """List snapshots, newest first."""
    session = session_of(context)
    with session.client() as client:
        listing = client.listing(at("datasets", name, "snapshots"), Snapshot, limit=bounded(limit, everything))
    session.output.listing(
        listing,
        ("SHA256", "SAMPLES", "SEED", "USED BY", "MADE"),
        lambda found: (found.sha256, found.samples, found.split.seed, ", ".join(found.used_by), found.created_at),
    )


@commands.command()
def retain(
    context: typer.Context,
    name: Name,
    days: Annotated[int, typer.Argument(metavar="DAYS", min=0, help="0: until they are deleted.")],
) -> None:
    """Say for how many days samples are kept."""
    session = session_of(context)
    request = DatasetRetention.model_construct(retain_days=days or None)
    with session.client() as client:
        answer = client.put(at("datasets", name, "retention"), Dataset, request, keep_null=True)
    session.output.answer(answer, _view)


@commands.command()
def delete(
    context: typer.Context,
    name: Name,
    purge: Annotated[bool, typer.Option("--purge", help="Also the snapshots that models depend on.")] = False,
) -> None:
    """Delete a dataset with its samples."""
    session = session_of(context)
    with session.client() as client:
        client.delete(at("datasets", name), {"purge": "true"} if purge else None)
    session.output.note(f"{name} is deleted.")


def _view(body: Dataset) -> RenderableType:
    schema = body.data_schema
    pairs = facts(
        [
            ("name", body.name),
            ("description", body.description or None),
            ("samples", body.samples),
            ("rejected rows", body.rejected),
            ("kind", schema.kind if schema else None),
            ("shape", f"{_shape(schema.shape)} {schema.dtype}" if schema else None),
            ("features", ", ".join(schema.features[:20]) if schema else None),
            ("targets", ", ".join(schema.targets) or None if schema else None),
            ("kept for", f"{body.retain_days} days" if body.retain_days else None),
            ("made", body.created_at),
        ]
    )
    return Group(pairs, Text(""), _labels(body.labels)) if body.labels else pairs


def _upload_view(body: DatasetUpload) -> RenderableType:
    said = Text(f"{body.id}: {body.accepted:,} samples accepted, {body.rejected:,} rows rejected")
    if not body.reasons:
        return said
    return Group(said, Text(""), table(("PLACE", "REASON"), [(row.place, row.reason) for row in body.reasons]))


def _snapshot_view(body: Snapshot) -> RenderableType:
    parts = {"train": body.parts.train, "validation": body.parts.validation, "test": body.parts.test}
    rows = [(name, part.samples, len(part.labels)) for name, part in parts.items()]
    pairs = facts([("snapshot", body.sha256), ("samples", body.samples), ("size", f"{body.size:,} bytes")])
    return Group(pairs, Text(""), table(("PART", "SAMPLES", "LABELS"), rows))


def _labels(labels: list[LabelCount]) -> RenderableType:
    return table(("LABEL", "SAMPLES"), [(item.label or "(no label)", item.samples) for item in labels])


def _shape(shape: list[int]) -> str:
    return "x".join(map(str, shape))
