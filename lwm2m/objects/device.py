"""Objects 3 and 4: what a device is and how it is connected. Numbers and types as in the OMA registry."""

from lwm2m.objects.model import object_model

DEVICE = object_model(
    3,
    "Device",
    "1.2",
    """
    0  R  str    .  Manufacturer
    1  R  str    .  Model Number
    2  R  str    .  Serial Number
    3  R  str    .  Firmware Version
    4  E  -      m  Reboot
    5  E  -      .  Factory Reset
    6  R  int    *  Available Power Sources
    7  R  int    *  Power Source Voltage
    8  R  int    *  Power Source Current
    9  R  int    .  Battery Level
    10 R  int    .  Memory Free
    11 R  int    m* Error Code
    12 E  -      .  Reset Error Code
    13 RW time   .  Current Time
    14 RW str    .  UTC Offset
    15 RW str    .  Timezone
    16 R  str    m  Supported Binding and Modes
    17 R  str    .  Device Type
    18 R  str    .  Hardware Version
    19 R  str    .  Software Version
    20 R  int    .  Battery Status
    21 R  int    .  Memory Total
    22 R  objlnk *  ExtDevInfo
    """,
    mandatory=True,
)

CONNECTIVITY_MONITORING = object_model(
    4,
    "Connectivity Monitoring",
    "1.3",
    """
    0  R  int    m  Network Bearer
    1  R  int    m* Available Network Bearer
    2  R  int    m  Radio Signal Strength
    3  R  int    .  Link Quality
    4  R  str    m* IP Addresses
    5  R  str    *  Router IP Addresses
    6  R  int    .  Link Utilization
    7  R  str    *  APN
    8  R  int    .  Cell ID
    9  R  int    .  SMNC
    10 R  int    .  SMCC
    11 R  int    .  SignalSNR
    12 R  int    .  LAC
    13 R  int    .  CoverageEnhancementLevel
    """,
)
