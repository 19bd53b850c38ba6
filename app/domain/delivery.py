"""SOTA or FOTA: what of a build goes to a device, and why; or, with numbers, why nothing of it can."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

BUILT_IN = "built-in"
SLOTS = ("a", "b")
"""Model slots by what a device calls them; slot n is instance n of Object 9."""
_SHOWN = 12  # hex digits of a hash in a sentence


class Method(StrEnum):
    """What the caller asks for."""

    AUTO = "auto"
    FOTA = "fota"
    SOTA = "sota"


class Step(StrEnum):
    """What an update does with the device."""

    INSTALL = "install"  # send an image, and let the device run it
    ACTIVATE = "activate"  # run the model that a slot holds already
    DEACTIVATE = "deactivate"  # run the model that the firmware has in itself


class Obstacle(StrEnum):
    """Why nothing can be done; the slug of the refusal."""

    BOARD = "board_mismatch"
    RUNNING = "already_running"
    COUNTER = "security_counter_lower"
    NO_WAY = "no_delivery"


@dataclass(frozen=True, slots=True)
class ModelSlot:
    """A model slot as the device told it last; `version` is that of the model that is installed there."""

    name: str
    version: str | None = None
    active: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """What a device says that it runs; None where it did not say. No slots: it cannot take a model alone."""

    board: str | None
    firmware_version: str | None = None
    firmware_sha256: str | None = None  # of the artifact that it was proven to run
    security_counter: int = 0
    abi: str | None = None
    model_source: str | None = None
    slots: tuple[ModelSlot, ...] = ()

    @property
    def active(self) -> ModelSlot | None:
        """The slot whose model runs; None for the built-in one."""
        return next((slot for slot in self.slots if slot.active), None)


@dataclass(frozen=True, slots=True)
class Image:
    """An image of a build; `slot` as the manifest names it, `room` the bytes of that slot."""

    sha256: str
    kind: str
    slot: str
    size: int
    room: int
    abi: str | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What a build made."""

    board: str
    version: str
    security_counter: int
    images: tuple[Image, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is done, and why. `slot` is the manifest's name, or `built-in`; `image` None when nothing is sent."""

    method: Method
    step: Step
    slot: str
    reason: str
    image: Image | None = None
    instance: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing is done, and what would help."""

    obstacle: Obstacle
    detail: str
    remedy: str


def model_slot(name: str) -> str:
    """How the manifest names the model slot that a device calls `name`."""
    return f"model-{name}"


def decide(running: Running, offer: Offer, method: Method = Method.AUTO) -> Choice | Refusal:
    """What of an offer goes to a device: the model alone when that can be, else the firmware; or why neither can."""
    if running.board is not None and running.board != offer.board:
        return Refusal(
            Obstacle.BOARD,
            f"The image is for {offer.board}, the device is a {running.board}.",
            f"Build the model for {running.board}.",
        )
    held = _held(running, offer, method)
    if held is not None:
        return held
    if running.security_counter > offer.security_counter:
        return Refusal(
            Obstacle.COUNTER,
            f"The device runs an image with security counter {running.security_counter}; this one has "
            f"{offer.security_counter} and would be refused.",
            "Build it again with a security_counter that is not lower.",
        )
    ways: dict[Method, Callable[[Running, Offer], Choice | str]] = {Method.SOTA: _model_alone, Method.FOTA: _firmware}
    obstacles: list[str] = []
    for way in ways if method is Method.AUTO else (method,):
        found = ways[way](running, offer)
        if isinstance(found, Choice):
            return _because(found, obstacles)
        obstacles.append(f"No {way.upper()}: {found}.")
    return Refusal(Obstacle.NO_WAY, " ".join(obstacles), _REMEDIES[method])


def to_built_in(running: Running) -> Choice | Refusal:
    """Back to the model that the firmware has in itself."""
    if not running.slots:
        return Refusal(
            Obstacle.NO_WAY,
            "No SOTA: the device has no model slots, so it runs the model of its firmware.",
            "Update it with a build instead.",
        )
    active = running.active
    if active is None:
        return Refusal(
            Obstacle.RUNNING,
            "The device runs its firmware's own model already.",
            "GET /v1/devices/{endpoint} shows it.",
        )
    reason = f"SOTA: the model of slot {active.name} is deactivated, the firmware's own model runs; nothing is sent."
    return Choice(Method.SOTA, Step.DEACTIVATE, BUILT_IN, reason, instance=SLOTS.index(active.name))


def _held(running: Running, offer: Offer, method: Method) -> Choice | Refusal | None:
    """When the device has the build already: in its firmware, or in a slot."""
    done = Refusal(
        Obstacle.RUNNING,
        f"The device runs version {offer.version} already.",
        "Nothing to do; GET /v1/devices/{endpoint} shows it.",
    )
    firmware = next((image for image in offer.images if image.kind == "firmware"), None)
    if firmware is not None and running.firmware_version == offer.version:
        return _same_firmware(running, firmware, method) or done
    if method is Method.FOTA or not _abi_of(offer.images) & {running.abi}:
        return None
    for slot in running.slots:
        image = _for_slot(offer.images, slot.name)
        if slot.version != offer.version or image is None:
            continue
        if slot.active:
            return done
        reason = f"SOTA: slot {slot.name} holds the model of version {offer.version} already; it is activated."
        name, instance = model_slot(slot.name), SLOTS.index(slot.name)
        return Choice(Method.SOTA, Step.ACTIVATE, name, reason, image, instance)
    return None


def _same_firmware(running: Running, firmware: Image, method: Method) -> Choice | Refusal | None:
    active = running.active
    if active is not None and method is Method.FOTA:
        return Refusal(
            Obstacle.RUNNING,
            f"The device runs firmware {running.firmware_version} already, with the model of slot {active.name}.",
            "Ask with method auto: then the firmware's own model is made to run.",
        )
    if active is not None:
        return to_built_in(running)
    if firmware.sha256 == running.firmware_sha256:
        return None
    reason = f"FOTA: the device says that it runs {running.firmware_version} already; this update proves it."
    return Choice(Method.FOTA, Step.INSTALL, firmware.slot, reason, firmware)


def _model_alone(running: Running, offer: Offer) -> Choice | str:
    models = [image for image in offer.images if image.kind == "model"]
    if not models:
        return "the build made no model images"
    if not running.slots or running.abi is None:
        return "the device has no model slots"
    abis = _abi_of(models)
    if running.abi not in abis:
        theirs = ", ".join(sorted(abi[:_SHOWN] for abi in abis if abi)) or "none"
        return f"the model's ABI is {theirs}, the firmware's {running.abi[:_SHOWN]}"
    spare = [slot.name for slot in running.slots if not slot.active]
    fitting = [(name, image) for name in spare if (image := _for_slot(models, name)) is not None]
    if not fitting:
        linked = ", ".join(sorted(image.slot for image in models))
        free = ", ".join(map(model_slot, spare)) or "none"
        return f"the image is linked for {linked}, the slots that do not run are: {free}"
    # A slot that holds nothing first: so the model that ran before stays to go back to.
    empty = {slot.name for slot in running.slots if slot.version is None}
    name, image = min(fitting, key=lambda pair: pair[0] not in empty)
    if image.size > image.room:
        return f"the model has {image.size:,} bytes, slot {name} has {image.room:,}"
    active = running.active
    meanwhile = "the firmware's own model" if active is None else f"the model of slot {active.name}"
    reason = (
        f"SOTA: the model alone, {image.size:,} bytes, goes into slot {name} of {image.room:,} while {meanwhile} runs; "
        f"its ABI {running.abi[:_SHOWN]} is the firmware's."
    )
    return Choice(Method.SOTA, Step.INSTALL, image.slot, reason, image, SLOTS.index(name))


def _firmware(_running: Running, offer: Offer) -> Choice | str:
    image = next((image for image in offer.images if image.kind == "firmware"), None)
    if image is None:
        return "the build made no firmware"
    if image.size > image.room:
        return f"the firmware has {image.size:,} bytes, its slot has {image.room:,}"
    reason = f"FOTA: the whole firmware, {image.size:,} bytes, goes into a slot of {image.room:,}."
    return Choice(Method.FOTA, Step.INSTALL, image.slot, reason, image)


def _because(choice: Choice, obstacles: list[str]) -> Choice:
    reason = " ".join([choice.reason, *obstacles])
    return Choice(choice.method, choice.step, choice.slot, reason, choice.image, choice.instance)


def _abi_of(images: Iterable[Image]) -> set[str | None]:
    return {image.abi for image in images if image.kind == "model" and image.abi is not None}


def _for_slot(images: Iterable[Image], name: str) -> Image | None:
    wanted = model_slot(name)
    return next((image for image in images if image.kind == "model" and image.slot == wanted), None)


_REMEDIES = {
    Method.AUTO: "Make the model smaller, or build it for a board with larger slots.",
    Method.FOTA: "Ask with method auto or sota, or build firmware for this board.",
    Method.SOTA: "Ask with method auto or fota: the whole firmware does not depend on the ABI.",
}
