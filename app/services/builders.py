"""Builders: registration by digest, and the boards that they can build for."""

import json
from dataclasses import asdict

from sqlmodel import Session

from app.contract import models as api
from app.errors import Invalid, NotFound
from app.services.identity import new_id
from app.storage import builders as rows
from app.storage import checks, events
from app.storage.database import Transaction
from app.storage.pages import Page
from app.storage.tables import BuilderCheckRow, BuilderRow
from builders.contract import Manifest, parse_manifest
from builders.runner import BuilderRunner, ResolvedBuilder


class BuilderService:
    """Use cases of builders."""

    def __init__(self, runner: BuilderRunner, engine: str) -> None:
        self._runner = runner
        self._engine = engine

    def resolve(self, image: str) -> ResolvedBuilder:
        """Find the image (pulling it when it is not here) and read its manifest; slow, and outside any transaction."""
        return self._runner.inspect(image)

    def register(self, transaction: Transaction, resolved: ResolvedBuilder) -> tuple[BuilderRow, bool]:
        """The builder of a digest, and whether it is new."""
        session = transaction.session
        known = rows.by_digest(session, resolved.image_id)
        if known is not None:
            return known, False
        row = BuilderRow(
            id=new_id("bldr"),
            name=resolved.manifest.name,
            image=resolved.reference,
            digest=resolved.image_id,
            engine=self._engine,
            manifest=manifest_json(resolved.manifest),
        )
        session.add(row)
        session.flush()
        events.append(session, "builder.registered", f"builder/{row.id}", {"name": row.name, "digest": row.digest})
        return row, True

    def builder(self, session: Session, builder_id: str) -> BuilderRow:
        """One builder, or NotFound."""
        row = rows.by_id(session, builder_id)
        if row is None:
            raise NotFound(
                "builder_not_found",
                f"There is no builder {builder_id}.",
                "GET /v1/builders lists them; POST /v1/builders registers an image.",
                "builder_id",
            )
        return row

    def for_board(self, session: Session, board: str) -> BuilderRow:
        """The newest builder for a board, or NotFound."""
        for row in rows.newest_first(session):
            if manifest_of(row).board(board) is not None:
                return row
        known = ", ".join(item.name for item in self.boards(session)) or "none"
        raise NotFound(
            "board_not_found",
            f"No registered builder builds for a board named {board}; known boards: {known}.",
            "Take one of GET /v1/boards, or register a builder for it with POST /v1/builders; "
            "`tinymlaas builders register --shipped` registers the shipped one.",
            "board",
        )

    def chosen(self, session: Session, builder_id: str | None, board: str) -> BuilderRow:
        """The builder of this id, which must build for the board, or without an id the newest for the board."""
        if builder_id is None:
            return self.for_board(session, board)
        builder = self.builder(session, builder_id)
        manifest = manifest_of(builder)
        if manifest.board(board) is None:
            names = ", ".join(item.name for item in manifest.boards)
            raise Invalid(
                "board_not_supported",
                f"Builder {builder.name} does not build for {board}; it builds for {names}.",
                "Take one of these boards, or leave builder_id out.",
                "body.board",
            )
        return builder

    def boards(self, session: Session) -> list[api.Board]:
        """Every board, by name, as its newest builder describes it."""
        found: dict[str, api.Board] = {}
        for row in rows.newest_first(session):
            for board in manifest_of(row).boards:
                if board.name in found:
                    found[board.name].builders.append(row.id)
                else:
                    found[board.name] = api.Board(
                        name=board.name,
                        cpu=board.cpu,
                        flash_bytes=board.flash_bytes,
                        ram_bytes=board.ram_bytes,
                        builders=[row.id],
                    )
        return sorted(found.values(), key=lambda item: item.name)

    def listing(self, session: Session, cursor: str | None, limit: int) -> Page[BuilderRow]:
        """A page of builders."""
        return rows.listing(session, cursor, limit)


def manifest_json(manifest: Manifest) -> dict[str, object]:
    """A manifest as its label says it."""
    return {"contract": 1, **json.loads(json.dumps(asdict(manifest)))}


def manifest_of(row: BuilderRow) -> Manifest:
    """The manifest that a builder registered with."""
    return parse_manifest(json.dumps(row.manifest))


def as_builder(session: Session, row: BuilderRow) -> api.Builder:
    """A builder as the API shows it."""
    check = checks.last_of(session, row.id)
    manifest = row.manifest
    return api.Builder(
        id=row.id,
        name=row.name,
        version=manifest["version"],
        maintainer=manifest["maintainer"],
        description=manifest["description"],
        image=row.image,
        digest=row.digest,
        engine="local" if row.engine == "local" else "docker",
        boards=[
            api.BuilderBoard(
                name=board["name"], cpu=board["cpu"], flash_bytes=board["flash_bytes"], ram_bytes=board["ram_bytes"]
            )
            for board in manifest["boards"]
        ],
        model_formats=manifest["model_formats"],
        parameters=manifest["parameters"],
        estimates=manifest.get("estimates", False),
        check=None if check is None else as_check(check),
        created_at=row.created_at,
    )


def as_check(row: BuilderCheckRow) -> api.BuilderCheck:
    """A check as the API shows it."""
    return api.BuilderCheck.model_validate({**row.model_dump(exclude={"seq", "rules"}), "rules": row.rules or []})
