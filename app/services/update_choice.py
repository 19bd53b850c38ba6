"""What an update does: the rule of SOTA or FOTA, asked with what the database knows of the device and of the build."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from app.contract import models as api
from app.domain.delivery import (
    Choice,
    Image,
    Method,
    ModelSlot,
    Obstacle,
    Offer,
    Refusal,
    Running,
    decide,
    to_built_in,
)
from app.errors import AppError, Conflict, Invalid
from app.services.build_images import PRIMARY
from app.services.builders import manifest_of
from app.services.builds import BuildService
from app.services.devices import slots_of
from app.storage import builders as builder_rows
from app.storage import builds as build_rows
from app.storage.tables import ArtifactRow, BuildRow, DeviceRow


@dataclass(frozen=True, slots=True)
class Plan:
    """A choice, and the artifact that the device is to run; None for a firmware that was not built here."""

    choice: Choice
    artifact: ArtifactRow | None


def plan(session: Session, builds: BuildService, device: DeviceRow, request: api.UpdateRequest) -> Plan:
    """What the request comes to; an AppError says, with numbers, why it cannot be."""
    targets = ("artifact_sha256", "build_id", "model_source")
    given = [name for name in targets if getattr(request, name) is not None]
    if len(given) != 1:
        raise Invalid(
            "one_target",
            f"An update needs exactly one of {', '.join(targets)}; {len(given)} were given.",
            "Say what the device shall run in one way.",
            f"body.{(given or targets)[0]}",
        )
    [target] = given
    running = _running(session, device)
    if request.model_source is not None:
        return _back(session, device, running, Method(request.method))
    if request.build_id is not None:
        artifacts = _of_build(session, builds.build(session, request.build_id))
    else:
        artifacts = [builds.artifact(session, request.artifact_sha256 or "")]
    primary = [artifact for artifact in artifacts if artifact.kind in PRIMARY]
    if not primary:
        raise Invalid(
            "not_for_update",
            f"An image of kind {artifacts[0].kind} is put in at manufacture; an update does not bring it.",
            "Take an artifact of kind firmware or model.",
            f"body.{target}",
        )
    choice = decide(running, _offer(session, primary), Method(request.method))
    if isinstance(choice, Refusal):
        raise _refused(choice, target)
    wanted = choice.image.sha256 if choice.image is not None else None
    artifact = next((each for each in primary if each.sha256 == wanted), None)
    return Plan(choice, artifact or _own_firmware(session, device))


def _back(session: Session, device: DeviceRow, running: Running, method: Method) -> Plan:
    if method is Method.FOTA:
        raise Invalid(
            "no_delivery",
            "The way back to the firmware's own model is SOTA: nothing is sent.",
            "Ask with method auto or sota.",
            "body.method",
        )
    choice = to_built_in(running)
    if isinstance(choice, Refusal):
        raise _refused(choice, "model_source")
    return Plan(choice, _own_firmware(session, device))


def _own_firmware(session: Session, device: DeviceRow) -> ArtifactRow | None:
    """The firmware that a device runs, proven or by its own word."""
    if device.artifact_sha256 is not None:
        return build_rows.artifact(session, device.artifact_sha256)
    if device.board is None or device.firmware_version is None:
        return None
    return build_rows.firmware(session, device.board, device.firmware_version)


def _running(session: Session, device: DeviceRow) -> Running:
    proven = [device.artifact_sha256, device.model_artifact_sha256]
    artifacts = build_rows.of_build(session, [sha256 for sha256 in proven if sha256 is not None])
    return Running(
        board=device.board,
        firmware_version=device.firmware_version,
        firmware_sha256=device.artifact_sha256,
        security_counter=max((artifact.security_counter for artifact in artifacts), default=0),
        abi=device.abi,
        model_source=device.model_source,
        slots=tuple(ModelSlot(slot.slot, slot.version, slot.active) for slot in slots_of(device)),
    )


def _of_build(session: Session, build: BuildRow) -> Sequence[ArtifactRow]:
    if not build.artifacts:
        raise Conflict(
            "build_without_artifacts",
            f"Build {build.id} is {build.state}: it has no images.",
            f"Wait for it with GET /v1/builds/{build.id}, or take another build.",
            "body.build_id",
        )
    return build_rows.of_build(session, [listed["sha256"] for listed in build.artifacts])


def _offer(session: Session, artifacts: Sequence[ArtifactRow]) -> Offer:
    first = artifacts[0]
    return Offer(
        board=first.board,
        version=first.firmware_version,
        security_counter=first.security_counter,
        images=tuple(
            Image(
                sha256=artifact.sha256,
                kind=artifact.kind,
                slot=artifact.slot or artifact.kind,
                size=artifact.size,
                room=_room(session, artifact),
                abi=artifact.abi,
            )
            for artifact in artifacts
        ),
    )


def _room(session: Session, artifact: ArtifactRow) -> int:
    """Bytes of the slot that an image was linked for, as its builder describes the board."""
    builder = builder_rows.by_digest(session, artifact.builder_digest)
    board = manifest_of(builder).board(artifact.board) if builder is not None else None
    slot = board.slots.get(artifact.slot or artifact.kind) if board is not None else None
    return slot.size if slot is not None else artifact.size


def _refused(refusal: Refusal, target: str) -> AppError:
    kind = Conflict if refusal.obstacle is Obstacle.RUNNING else Invalid
    return kind(refusal.obstacle.value, refusal.detail, refusal.remedy, f"body.{target}")
