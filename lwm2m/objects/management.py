"""Objects 0 and 1: how a device reaches its servers. Numbers and types as in the OMA registry."""

from lwm2m.objects.model import object_model

SECURITY = object_model(
    0,
    "LWM2M Security",
    "1.2",
    """
    0  - str    m  LWM2M Server URI
    1  - bool   m  Bootstrap-Server
    2  - int    m  Security Mode
    3  - opaque m  Public Key or Identity
    4  - opaque m  Server Public Key
    5  - opaque m  Secret Key
    6  - int    .  SMS Security Mode
    7  - opaque .  SMS Binding Key Parameters
    8  - opaque .  SMS Binding Secret Key(s)
    9  - str    .  LwM2M Server SMS Number
    10 - int    .  Short Server ID
    11 - int    .  Client Hold Off Time
    12 - int    .  Bootstrap-Server Account Timeout
    13 - uint   .  Matching Type
    14 - str    .  SNI
    15 - uint   .  Certificate Usage
    16 - uint   *  DTLS/TLS Ciphersuite
    17 - objlnk .  OSCORE Security Mode
    """,
    multiple=True,
    mandatory=True,
)

SERVER = object_model(
    1,
    "LwM2M Server",
    "1.1",
    """
    0  R  int    m  Short Server ID
    1  RW int    m  Lifetime
    2  RW int    .  Default Minimum Period
    3  RW int    .  Default Maximum Period
    4  E  -      .  Disable
    5  RW int    .  Disable Timeout
    6  RW bool   m  Notification Storing When Disabled or Offline
    7  RW str    m  Binding
    8  E  -      m  Registration Update Trigger
    9  E  -      .  Bootstrap-Request Trigger
    10 RW objlnk .  APN Link
    11 R  uint   .  TLS-DTLS Alert Code
    12 R  time   .  Last Bootstrapped
    13 R  uint   .  Registration Priority Order
    14 R  uint   .  Initial Registration Delay Timer
    15 R  bool   .  Registration Failure Block
    16 R  bool   .  Bootstrap on Registration Failure
    17 RW uint   .  Communication Retry Count
    18 RW uint   .  Communication Retry Timer
    19 RW uint   .  Communication Sequence Delay Timer
    20 RW uint   .  Communication Sequence Retry Count
    21 RW bool   .  Trigger
    22 RW str    .  Preferred Transport
    23 RW bool   .  Mute Send
    """,
    multiple=True,
    mandatory=True,
)
