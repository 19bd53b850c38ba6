"""Builder images that tests make from a Dockerfile's text."""

import io
import tarfile
import textwrap
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import docker

from builders.contract import LABEL

MakeImage = Callable[..., str]


@contextmanager
def image_maker(engine: docker.DockerClient, manifest: str, **words: str) -> Iterator[MakeImage]:
    """A function from a Dockerfile's text to the reference of its image; `words` in it are replaced.

    The images carry the manifest, unless another one or none is given, and are removed at the end.
    """
    made: list[str] = []
    usual = manifest

    def make(dockerfile: str, *, manifest: str | None = usual) -> str:
        text = textwrap.dedent(dockerfile)
        for word, meaning in words.items():
            text = text.replace(word, meaning)
        content = text.encode()
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as archive:
            info = tarfile.TarInfo("Dockerfile")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        context.seek(0)
        tag = f"tinymlaas-test:{uuid.uuid4().hex[:12]}"
        labels = {} if manifest is None else {LABEL: manifest}
        engine.images.build(fileobj=context, custom_context=True, tag=tag, labels=labels, rm=True, forcerm=True)
        made.append(tag)
        return tag

    try:
        yield make
    finally:
        for tag in made:
            engine.images.remove(tag, force=True)
