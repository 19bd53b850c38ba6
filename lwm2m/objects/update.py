"""Objects 5, 9 and 33629: firmware and software updates. As in the OMA registry; 33629 as Anjay implements it.

Not verified: resource 14 of object 5, which the registry of 2020 does not have; the mandatory flags of object 33629.
"""

from lwm2m.objects.model import object_model

FIRMWARE_UPDATE = object_model(
    5,
    "Firmware Update",
    "1.2",
    """
    0  W  opaque m  Package
    1  RW str    m  Package URI | 0..255
    2  E  -      m  Update
    3  R  int    m  State | 0..3
    5  R  int    m  Update Result | 0..11
    6  R  str    .  PkgName | 0..255
    7  R  str    .  PkgVersion | 0..255
    8  R  int    *  Firmware Update Protocol Support | 0..5
    9  R  int    m  Firmware Update Delivery Method | 0..2
    10 E  -      .  Cancel
    11 RW int    .  Severity | 0..2
    12 R  time   .  Last State Change Time
    13 RW uint   .  Maximum Defer Period | | s
    14 RW bool   .  Automatic Upgrade at Download
    """,
    lwm2m_version="1.1",
)
FIRMWARE_UPDATE_1_1 = FIRMWARE_UPDATE.older("1.1", last=13, lwm2m_version="1.1")
FIRMWARE_UPDATE_1_0 = FIRMWARE_UPDATE.older("1.0", last=9)

SOFTWARE_MANAGEMENT_1_1 = object_model(
    9,
    "LWM2M Software Management",
    "1.1",
    """
    0  R  str    m  PkgName | 0..255 bytes
    1  R  str    m  PkgVersion | 0..255 bytes
    2  W  opaque .  Package
    3  W  str    .  Package URI | 0..255 bytes
    4  E  -      m  Install
    5  R  objlnk .  Checkpoint
    6  E  -      m  Uninstall
    7  R  int    m  Update State | 0..4
    8  RW bool   .  Update Supported Objects
    9  R  int    m  Update Result | 0..200
    10 E  -      m  Activate
    11 E  -      m  Deactivate
    12 R  bool   m  Activation State
    13 RW objlnk .  Package Settings
    14 W  str    .  User Name | 0..255 bytes
    15 W  str    .  Password | 0..255 bytes
    16 R  str    .  Status Reason
    17 R  objlnk *  Software Component Link
    18 R  int    .  Software Component tree length | 0..255
    19 E  -      m  Start
    20 E  -      m  Stop
    21 R  uint   m  Operational State | 0..15
    22 E  -      .  Purge
    """,
    multiple=True,
    lwm2m_version="1.1",
)
SOFTWARE_MANAGEMENT = SOFTWARE_MANAGEMENT_1_1.older("1.0", last=18)

ADVANCED_FIRMWARE_UPDATE = object_model(
    33629,
    "Advanced Firmware Update",
    "1.0",
    """
    0  W  opaque m  Package
    1  RW str    m  Package URI | 0..255
    2  E  -      m  Update
    3  R  int    m  State | 0..3
    5  R  int    m  Update Result | 0..13
    6  R  str    .  PkgName | 0..255
    7  R  str    .  PkgVersion | 0..255
    8  R  int    *  Firmware Update Protocol Support | 0..5
    9  R  int    m  Firmware Update Delivery Method | 0..2
    10 E  -      .  Cancel
    11 RW int    .  Severity | 0..2
    12 R  time   .  Last State Change Time
    13 RW uint   .  Maximum Defer Period | | s
    14 R  str    .  Component Name
    15 R  str    .  Current Version
    16 R  objlnk *  Linked Instances
    17 R  objlnk *  Conflicting Instances
    """,
    multiple=True,
)
