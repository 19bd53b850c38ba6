"""Where a firmware update stands, in sentences."""

from lwm2m.update_progress import Delivery, Standing, UpdateState
from lwm2m.update_record import FirmwareUpdate, Operation


def explain(update: FirmwareUpdate) -> Standing:
    """Where an update stands and what happens next."""
    if update.cancelling:
        return Standing("The update is being cancelled.", "The device confirms, or the deadline ends it.")
    if update.state.is_final:
        return Standing(update.reason, "Nothing: this update has ended.")
    if update.in_flight is Operation.WRITE_POLICY:
        return Standing("The device is told how urgent the update is.", "Then it gets the package.")
    if update.retry and update.state is UpdateState.DOWNLOADING:
        plan = f"Attempt {update.attempt + 1} of {update.max_attempts} begins by itself."
        return Standing(f"{update.reason} The next attempt is planned.", plan)
    match update.state:
        case UpdateState.PENDING:
            return Standing("The update waits for the device.", "It begins when the device is registered and idle.")
        case UpdateState.DOWNLOADING:
            how = "fetches the package" if update.delivery is Delivery.PULL else "is being sent the package"
            return Standing(f"The device {how}, attempt {update.attempt}.", "Then it checks the package.")
        case UpdateState.DOWNLOADED if update.retry:
            return Standing(update.reason, "The device is asked again to install the package.")
        case UpdateState.DOWNLOADED:
            return Standing("The device holds the package and found it good.", "It is told to install it.")
        case UpdateState.UPDATING:
            return Standing("The device installs the package.", "It reboots and registers again.")
        case _ if update.registered_at is None:
            return Standing("The device says that it is done.", "It has to register again, to prove it.")
        case _:
            text = f"It has to report version {update.target_version}."
            return Standing("The device registered again and its version is being read.", text)
