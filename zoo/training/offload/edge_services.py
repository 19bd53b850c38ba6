"""What travels over nnstreamer-edge's wire, as the confs and files that offloading knows, and the other way round.

A service is one message: its bytes are the memory, and how it is registered is the meta data. The pipeline comes last.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass

from zoo.datasets.datarepo import Description as Layout
from zoo.datasets.datarepo import Tensor, tensors_of_caps
from zoo.training.offload.conf import (
    FILE_NAME,
    MAX_CONF_BYTES,
    MAX_SERVICES,
    MODEL_RAW,
    PIPELINE_RAW,
    PLACEHOLDER,
    RECEIVER,
    REPLY,
    SENDER,
    Conf,
    Service,
    parse_conf,
)
from zoo.training.offload.edge_wire import Command, Limits, Message, as_text
from zoo.training.offload.errors import ConfError, WireError
from zoo.training.offload.pipeline import Element, parse_pipeline, the_element
from zoo.training.offload.plan import Plan, make_plan

DATA, LAYOUT = "edge-samples.data", "edge-samples.json"
"""The names under which samples from the wire go into a session."""

CAPS_MARK = "@edge_sink_caps@"
EDGE_LIMITS = Limits(memory=64 * 1024 * 1024, total=256 * 1024 * 1024)
"""Of one service, and of all services and samples of a session."""


@dataclass(frozen=True)
class Offer:
    """What a sender offers before its samples: a conf made of its services, their bytes, and where the samples are."""

    conf_text: str
    plan: Plan
    files: dict[str, bytes]
    source: Element

    @property
    def wanted(self) -> int:
        """Samples of an epoch: the first train, the others validate."""
        return self.plan.training + self.plan.validation


def as_message(service: Service, data: bytes, client_id: int) -> Message:
    """A service on its way."""
    meta = {
        "service-type": service.type,
        "service-key": service.key,
        "description": service.description,
        "name": service.name or "",
        "activate": "true" if service.activate else "false",
    }
    return Message(Command.TRANSFER_DATA, client_id, (data,), {key: text for key, text in meta.items() if text})


def check_service(message: Message, kinds: tuple[str, ...]) -> str:
    """The service-type of a message; a file's name has to be one, without a path. Raises WireError."""
    kind = message.meta.get("service-type", "")
    if kind not in kinds:
        raise WireError(f"service-type is {kind[:40]!r}; {' and '.join(kinds)} are taken here.", field="service-type")
    if len(message.memories) != 1:
        raise WireError(f"A service of type {kind} has {len(message.memories)} memories and not one.", field=kind)
    size = len(message.memories[0])
    if kind == PIPELINE_RAW and size > MAX_CONF_BYTES:
        raise WireError(f"The pipeline has {size} bytes; {MAX_CONF_BYTES} are read.", field="pipeline")
    name = message.meta.get("name", "")
    if kind != PIPELINE_RAW and not FILE_NAME.fullmatch(name):
        raise WireError(
            f"name is {name[:60]!r}: a file's name has letters, digits, '.', '_' and '-', and no '/' or leading '.'.",
            field="name",
        )
    return kind


def offer_of(messages: list[Message], receiver: Conf, receiver_text: str) -> Offer:
    """Read a sender's services, the pipeline last. Raises an OffloadError that names what is wrong."""
    *models, last = messages
    pipeline = _pipeline(last)
    elements = parse_pipeline(pipeline)
    trainer = the_element(elements, "tensor_trainer")
    epochs = trainer.whole("epochs", 1, least=1)
    wanted = trainer.whole("num-training-samples", least=1) + trainer.whole("num-validation-samples", least=1)
    services = {f"service_{number}": message for number, message in enumerate(messages, 1)}
    transfers: dict[str, object] = {
        name: PLACEHOLDER + message.meta["name"] for name, message in list(services.items())[:-1]
    }
    transfers[list(services)[-1]] = {"pipeline": {"description": pipeline}}
    known = ("service-type", "service-key", "name", "activate", "description")
    conf = {
        "offloading": {
            "node-type": SENDER,
            "connect-type": receiver.connect_type,
            **({"topic": receiver.topic} if receiver.topic else {}),
            "training": {
                # The sender has shuffled already; the first samples train, as tensor_trainer takes them.
                "sender-pipeline": f"datareposrc location={PLACEHOLDER}{DATA} json={PLACEHOLDER}{LAYOUT} "
                f"is-shuffle=false epochs={epochs} stop-sample-index={wanted - 1}",
                "transfer-data": transfers,
            },
        },
        "services": {
            name: {key: message.meta[key] for key in known if message.meta.get(key)}
            for name, message in services.items()
        },
    }
    text = json.dumps(conf)
    plan = make_plan(parse_conf(text, SENDER), parse_conf(receiver_text, RECEIVER))
    files = {message.meta["name"]: message.memories[0] for message in models}
    return Offer(text, plan, files, the_element(elements, "edgesrc"))


def take_service(messages: list[Message], message: Message) -> bool:
    """Add a service to those that came; whether it was the last. Raises WireError."""
    kind = check_service(message, (MODEL_RAW, PIPELINE_RAW))
    messages.append(message)
    if len(messages) > MAX_SERVICES:
        raise WireError(f"There are more than {MAX_SERVICES} services.")
    return kind == PIPELINE_RAW


def pipeline_bytes(conf: Conf) -> bytes:
    """A sender's pipeline as it travels."""
    return as_text(json.dumps({"pipeline": {"description": conf.pipeline}}))


def caps_text(tensors: tuple[Tensor, ...]) -> str:
    """Static tensors as an edgesink tells of them."""
    dimensions = ".".join(":".join(str(size) for size in reversed(tensor.shape)) for tensor in tensors)
    types = ".".join(tensor.dtype for tensor in tensors)
    return (
        f"{CAPS_MARK}other/tensors, format=(string)static, num_tensors=(int){len(tensors)}, "
        f"dimensions=(string){dimensions}, types=(string){types}, framerate=(fraction)0/1"
    )


@dataclass(frozen=True)
class Incoming:
    """Samples that an edgesink announces: its caps, and the bytes of each tensor."""

    caps: str
    sizes: tuple[int, ...]

    @property
    def limits(self) -> Limits:
        """Of one sample."""
        return Limits(max(self.sizes), sum(self.sizes))

    def layout(self, count: int) -> bytes:
        """The .json of so many of them."""
        document = {"gst_caps": self.caps, "total_samples": count, "sample_size": sum(self.sizes)}
        return json.dumps(document).encode()

    def sample(self, message: Message) -> bytes:
        """One sample's record. Raises WireError."""
        found = tuple(len(memory) for memory in message.memories)
        if found != self.sizes:
            raise WireError(f"A sample has memories of {list(found)} bytes, and its caps say {list(self.sizes)}.")
        return b"".join(message.memories)


def incoming(capability: str, wanted: int, limits: Limits) -> Incoming:
    """Read an edgesink's capability; what `wanted` samples take is compared before one is read. Raises WireError."""
    caps = capability.rpartition(CAPS_MARK)[2].strip()
    sizes = tuple(tensor.size for tensor in tensors_of_caps(caps))
    if sum(sizes) > limits.memory or wanted * sum(sizes) > limits.total:
        raise WireError(
            f"{wanted} samples of {sum(sizes)} bytes are announced; {limits.total} bytes are taken in all, and "
            f"{limits.memory} in one."
        )
    return Incoming(caps, sizes)


def in_sequence(source: Element, layout: Layout) -> tuple[int, ...]:
    """Which tensors a datareposrc sends, in their order. Raises ConfError."""
    every = ",".join(str(number) for number in range(len(layout.tensors)))
    numbers = source.properties.get("tensors-sequence", every).split(",")
    known = {str(number): number for number in range(len(layout.tensors))}
    if not set(numbers) <= known.keys() or len(set(numbers)) != len(numbers):
        raise ConfError(f"tensors-sequence names other tensors than {every}, or one twice.", field="tensors-sequence")
    return tuple(known[number] for number in numbers)


def offsets(layout: Layout) -> tuple[int, ...]:
    """Where each tensor begins in a record, and where the last one ends."""
    return tuple(itertools.accumulate((tensor.size for tensor in layout.tensors), initial=0))


def reply_of(message: Message) -> tuple[str, bytes]:
    """The name and the bytes of a trained model. Raises WireError."""
    check_service(message, (REPLY,))
    return message.meta["name"], message.memories[0]


def _pipeline(message: Message) -> str:
    """The description in {"pipeline": {"description": ...}}. Raises WireError."""
    try:
        document = json.loads(message.text)
        found = document["pipeline"]["description"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise WireError(f"{PIPELINE_RAW} is no JSON with pipeline.description.", field="pipeline") from error
    if not isinstance(found, str):
        raise WireError("pipeline.description is no text.", field="pipeline")
    return found
