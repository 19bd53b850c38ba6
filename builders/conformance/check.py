"""Tries every rule on an image, and reports."""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import TYPE_CHECKING

from builders.conformance.models import ConformanceModels, shipped_models
from builders.conformance.report import Check, Report
from builders.conformance.rule import Untried
from builders.conformance.rules import RULES
from builders.conformance.subject import Subject
from builders.conformance.trial import Laboratory
from builders.docker_runner import DockerRunner
from builders.engine import engine_errors
from builders.errors import BadManifestError, NotABuilderError, VolumeRefusedError
from builders.resolve import resolve
from builders.runner import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    import docker
    from docker.models.images import Image

CHECK_LIMITS = Limits(seconds=300.0)


def check_image(
    engine: docker.DockerClient | DockerRunner,
    reference: str,
    *,
    models: ConformanceModels | None = None,
    limits: Limits = CHECK_LIMITS,
    on_progress: Callable[[Check], None] = lambda _check: None,
    cancelled: Callable[[], bool] = lambda: False,
    loosen: bool = False,
) -> Report:
    """Try the image against the contract, without a network; it is pulled when it is missing.

    `on_progress` gets each check as it is made. With `loosen`, an image that does not build is tried again with a
    network, a writable root, or as root, one at a time, to find out which of them it asks for: for one's own images, on
    one's own machine. A runner's containers carry its server id, so that its `reap` finds what a crash left behind.
    Raises ImageError when the image cannot be had, EngineError, and CancelledError.
    """
    began = time.monotonic()
    runner = engine if isinstance(engine, DockerRunner) else DockerRunner(engine, server_id=f"check-{uuid.uuid4().hex}")
    image = _image(runner.client, reference)
    image_id = str(image.id)
    laboratory = Laboratory(runner.client, image_id, limits, server_id=runner.server_id, cancelled=cancelled)
    subject = Subject(image, laboratory, models or shipped_models(), loosen=loosen)
    checks = []
    for rule in RULES:
        check = rule.apply(subject)
        on_progress(check)
        checks.append(check)
    name, version = _called(subject)
    return Report(reference, image_id, name, version, time.monotonic() - began, tuple(checks))


def _image(client: docker.DockerClient, reference: str) -> Image:
    # An image that is there and no builder is what the rules are for.
    with contextlib.suppress(NotABuilderError, VolumeRefusedError, BadManifestError):
        reference = resolve(client, reference).image_id
    with engine_errors():
        return client.images.get(reference)


def _called(subject: Subject) -> tuple[str, str]:
    try:
        return subject.manifest.name, subject.manifest.version
    except Untried:
        return "", ""
