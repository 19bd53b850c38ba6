"""From an image's name to a pinned builder: pull it if need be, read its manifest, refuse what a builder may not be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import docker.errors

from builders.contract import LABEL, parse_manifest
from builders.engine import engine_errors
from builders.errors import ImageNotFoundError, ImagePullFailedError, NotABuilderError, VolumeRefusedError
from builders.runner import ResolvedBuilder

if TYPE_CHECKING:
    import docker
    from docker.models.images import Image

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,511}", re.ASCII)
_IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_NOT_THERE = ("not found", "manifest unknown", "does not exist", "access denied", "name unknown")


def resolve(client: docker.DockerClient, reference: str) -> ResolvedBuilder:
    """The builder that `reference` (a name, a tag, a digest, or an image id) stands for at this moment."""
    if _REFERENCE.fullmatch(reference) is None:
        raise _no_reference(reference)
    try:
        with engine_errors():
            try:
                image = client.images.get(reference)
            except docker.errors.APIError as problem:
                if problem.status_code == 400:  # the engine's own grammar is finer than ours
                    raise _no_reference(reference) from problem
                raise
    except ImageNotFoundError:
        if _IMAGE_ID.fullmatch(reference):
            raise  # an id is not an address: there is nowhere to pull it from
        _pull(client, reference)
        with engine_errors():
            image = client.images.get(reference)
    check_runnable(image)
    label = image.labels.get(LABEL)
    if label is None:
        raise NotABuilderError(
            f"{reference} has no label {LABEL}.",
            remedy=f'Build it with: docker build --label "{LABEL}=$(cat manifest.json)" ...',
        )
    return ResolvedBuilder(
        reference=reference,
        image_id=image.id or "",
        repo_digest=next(iter(image.attrs.get("RepoDigests") or []), None),
        manifest=parse_manifest(label),
    )


def check_runnable(image: Image) -> list[str]:
    """Return the image's entry point; raise when the image may not run in the sandbox or cannot."""
    config = image.attrs.get("Config") or {}
    if config.get("Volumes"):
        raise VolumeRefusedError(
            f"The image declares VOLUME {', '.join(sorted(config['Volumes']))[:200]}.",
            remedy="Remove VOLUME from the Dockerfile: a builder writes to /out, /work and /tmp only.",
        )
    entrypoint = config.get("Entrypoint")
    if not entrypoint:
        raise NotABuilderError(
            "The image has no ENTRYPOINT.", remedy='Name the program in the Dockerfile: ENTRYPOINT ["/builder"].'
        )
    return list(entrypoint)


def _pull(client: docker.DockerClient, reference: str) -> None:
    # Without a tag or digest the engine would pull every tag.
    named = reference if "@" in reference or ":" in reference.rpartition("/")[2] else f"{reference}:latest"
    with engine_errors():
        try:
            events = list(client.api.pull(named, stream=True, decode=True))
        except docker.errors.NotFound as problem:
            raise _not_found(reference) from problem
        except docker.errors.APIError as problem:
            raise _pull_error(reference, problem.explanation or str(problem)) from problem
    # A layer that does not arrive is told in the stream, after the engine has answered 200.
    for event in events:
        if "error" in event:
            raise _pull_error(reference, str(event["error"]))


def _pull_error(reference: str, explanation: str) -> ImageNotFoundError | ImagePullFailedError:
    if any(words in explanation.lower() for words in _NOT_THERE):
        return _not_found(reference)
    return ImagePullFailedError(
        f"{reference} is not on the engine, and pulling it failed: {explanation[:300]}",
        remedy="Check the engine's way to the registry, or load the image: docker load < image.tar.",
    )


def _no_reference(reference: str) -> ImageNotFoundError:
    return ImageNotFoundError(
        f"{reference[:80]!r} is no image reference.", remedy="Give one like registry.example/team/builder:1.0."
    )


def _not_found(reference: str) -> ImageNotFoundError:
    return ImageNotFoundError(
        f"{reference} is neither on the engine nor in its registry.",
        remedy="Check the name, push the image, or log the engine in: docker login.",
    )
