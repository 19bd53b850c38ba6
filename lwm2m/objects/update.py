"""Objects 5 and 9: firmware and software updates. Numbers and types as in the OMA registry."""

from lwm2m.objects.model import object_model

FIRMWARE_UPDATE = object_model(
    5,
    "Firmware Update",
    "1.2",
    """
    0  W  opaque m  Package
    1  RW str    m  Package URI
    2  E  -      m  Update
    3  R  int    m  State
    5  R  int    m  Update Result
    6  R  str    .  PkgName
    7  R  str    .  PkgVersion
    8  R  int    *  Firmware Update Protocol Support
    9  R  int    m  Firmware Update Delivery Method
    10 E  -      .  Cancel
    11 RW int    .  Severity
    12 R  time   .  Last State Change Time
    13 RW uint   .  Maximum Defer Period
    14 RW bool   .  Automatic Upgrade at Download
    """,
)

SOFTWARE_MANAGEMENT = object_model(
    9,
    "LWM2M Software Management",
    "1.0",
    """
    0  R  str    m  PkgName
    1  R  str    m  PkgVersion
    2  W  opaque .  Package
    3  W  str    .  Package URI
    4  E  -      m  Install
    5  R  objlnk .  Checkpoint
    6  E  -      m  Uninstall
    7  R  int    m  Update State
    8  RW bool   .  Update Supported Objects
    9  R  int    m  Update Result
    10 E  -      .  Activate
    11 E  -      .  Deactivate
    12 R  bool   .  Activation State
    13 RW objlnk .  Package Settings
    14 W  str    .  User Name
    15 W  str    .  Password
    16 R  uint   .  Status Reason
    17 R  objlnk *  Software Component Link
    18 R  uint   .  Software Component Tree Length
    """,
    multiple=True,
)
