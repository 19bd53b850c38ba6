"""The error tree of the LwM2M package: what went wrong, the HTTP status that fits, and what to do next.

Lwm2mError
├── PathError           400  the path is no LwM2M path
├── CodecError          400  a payload does not say what its content format promises
├── BadRequest          400  a request from a device or an operator breaks the protocol
│   └── UnsupportedVersion 400  a device speaks an LwM2M version that is not known (CoAP 4.12)
├── NotRegistered       404  no device is registered under this name
├── DeviceTimeout       504  the device did not answer in time
│   └── DeviceAsleep    504  the device is in queue mode and sleeps
├── DeviceUnreachable   502  the network says that nobody listens there
├── Rejected            502  the device answered with a CoAP error
└── Refused             409  what is asked is refused as things stand, with the CoAP code to answer
"""

from typing import ClassVar


class Lwm2mError(Exception):
    """Base of every error that this package raises on purpose."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "lwm2m-error"


class PathError(Lwm2mError, ValueError):
    """The path is no LwM2M path: write it as /object/instance/resource with numbers from 0 to 65534."""

    status = 400
    slug = "bad-lwm2m-path"


class CodecError(Lwm2mError, ValueError):
    """A payload does not say what its content format promises, or a value does not fit its resource."""

    status = 400
    slug = "bad-lwm2m-payload"


class BadRequest(Lwm2mError, ValueError):
    """A request breaks the protocol: the text says which rule."""

    status = 400
    slug = "bad-lwm2m-request"


class UnsupportedVersion(BadRequest):
    """The device speaks an LwM2M version that is not known; 1.0, 1.1 and 1.2 are."""

    slug = "unsupported-lwm2m-version"


class NotRegistered(Lwm2mError, LookupError):
    """No device is registered under this name: wait until it registers, or check the endpoint name."""

    status = 404
    slug = "device-not-registered"

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"no registered device with endpoint name {endpoint!r}")
        self.endpoint = endpoint


class DeviceTimeout(Lwm2mError, TimeoutError):
    """The device did not answer in time: it may be asleep or offline; try again after its next registration."""

    status = 504
    slug = "device-timeout"


class DeviceAsleep(DeviceTimeout):
    """The device is in queue mode and sleeps: the request can be sent when the device makes contact again."""

    slug = "device-asleep"


class DeviceUnreachable(Lwm2mError, ConnectionError):
    """The network reports that nobody listens at the device's address: wait until the device registers again."""

    status = 502
    slug = "device-unreachable"


class Rejected(Lwm2mError):
    """The device answered with a CoAP error code; its diagnostic text, when it sent one, says why."""

    status = 502
    slug = "device-rejected"

    def __init__(self, code: int, diagnostic: str) -> None:
        super().__init__(f"the device answered {code >> 5}.{code & 31:02d}" + (f": {diagnostic}" if diagnostic else ""))
        self.code = code
        self.diagnostic = diagnostic


class Refused(Lwm2mError):
    """What a peer asks for is refused as things stand; `code` is the CoAP code to answer with."""

    status = 409
    slug = "refused"

    def __init__(self, code: int, diagnostic: str) -> None:
        super().__init__(diagnostic)
        self.code = code
        self.diagnostic = diagnostic
