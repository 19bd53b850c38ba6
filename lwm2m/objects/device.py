"""Objects 3, 4, 6, 7 and 10: what a device is, how it is connected and where. As in the OMA registry."""

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
    6  R  int    *  Available Power Sources | 0..7
    7  R  int    *  Power Source Voltage
    8  R  int    *  Power Source Current
    9  R  int    .  Battery Level | 0..100 | /100
    10 R  int    .  Memory Free
    11 R  int    m* Error Code | 0..32
    12 E  -      .  Reset Error Code
    13 RW time   .  Current Time
    14 RW str    .  UTC Offset
    15 RW str    .  Timezone
    16 R  str    m  Supported Binding and Modes
    17 R  str    .  Device Type
    18 R  str    .  Hardware Version
    19 R  str    .  Software Version
    20 R  int    .  Battery Status | 0..6
    21 R  int    .  Memory Total
    22 R  objlnk *  ExtDevInfo
    """,
    mandatory=True,
    lwm2m_version="1.1",
)
DEVICE_1_1 = DEVICE.older("1.1", lwm2m_version="1.1")
DEVICE_1_0 = DEVICE.older("1.0")

CONNECTIVITY_MONITORING = object_model(
    4,
    "Connectivity Monitoring",
    "1.3",
    """
    0  R  int    m  Network Bearer | 0..50
    1  R  int    m* Available Network Bearer | 0..50
    2  R  int    m  Radio Signal Strength
    3  R  int    .  Link Quality
    4  R  str    m* IP Addresses
    5  R  str    *  Router IP Addresses
    6  R  int    .  Link Utilization | 0..100 | /100
    7  R  str    *  APN
    8  R  int    .  Cell ID
    9  R  int    .  SMNC | 0..999
    10 R  int    .  SMCC | 0..999
    11 R  int    .  SignalSNR | | dB
    12 R  int    .  LAC
    13 R  int    .  Coverage Enhancement Level | 0..4
    """,
    lwm2m_version="1.1",
)
CONNECTIVITY_MONITORING_1_2 = CONNECTIVITY_MONITORING.older("1.2", last=12, lwm2m_version="1.1")
CONNECTIVITY_MONITORING_1_0 = CONNECTIVITY_MONITORING.older("1.0", last=10)

LOCATION = object_model(
    6,
    "Location",
    "1.0",
    """
    0  R  float  m  Latitude | | lat
    1  R  float  m  Longitude | | lon
    2  R  float  .  Altitude | | m
    3  R  float  .  Radius | | m
    4  R  opaque .  Velocity
    5  R  time   m  Timestamp
    6  R  float  .  Speed | | m/s
    """,
)

CONNECTIVITY_STATISTICS = object_model(
    7,
    "Connectivity Statistics",
    "1.0",
    """
    0  R  int    .  SMS Tx Counter
    1  R  int    .  SMS Rx Counter
    2  R  int    .  Tx Data
    3  R  int    .  Rx Data
    4  R  int    .  Max Message Size | | B
    5  R  int    .  Average Message Size | | B
    6  E  -      m  Start
    7  E  -      m  Stop
    8  RW int    .  Collection Period | | s
    """,
)

CELLULAR_CONNECTIVITY = object_model(
    10,
    "LWM2M Cellular Connectivity",
    "1.1",
    """
    0  RW str    .  SMSC address
    1  RW int    .  Disable radio period | 0..65535
    2  RW str    .  Module activation code
    3  R  objlnk .  Vendor specific extensions
    4  RW int    .  PSM Timer | | s
    5  RW int    .  Active Timer | | s
    7  RW opaque .  eDRX parameters for Iu mode | 0..255
    8  RW opaque .  eDRX parameters for WB-S1 mode | 0..255
    9  RW opaque .  eDRX parameters for NB-S1 mode | 0..255
    10 RW opaque .  eDRX parameters for A/Gb mode | 0..255
    11 R  objlnk m* Activated Profile Names
    12 R  uint   .  Supported Power Saving Modes | 0..255
    13 RW uint   .  Active Power Saving Modes | 0..255
    14 RW uint   .  Release Assistance Indication Usage | 0..255
    """,
    lwm2m_version="1.1",
)
