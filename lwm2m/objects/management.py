"""Objects 0, 1, 2 and 21: how a device reaches its servers and what they may do. As in the OMA registry.

Not verified: the types of object 21 in version 2.0, which the registry of 2020 does not have.
"""

from lwm2m.objects.model import object_model

SECURITY = object_model(
    0,
    "LWM2M Security",
    "1.2",
    """
    0  - str    m  LWM2M Server URI | 0..255
    1  - bool   m  Bootstrap-Server
    2  - int    m  Security Mode | 0..4
    3  - opaque m  Public Key or Identity
    4  - opaque m  Server Public Key
    5  - opaque m  Secret Key
    6  - int    .  SMS Security Mode | 0..255
    7  - opaque .  SMS Binding Key Parameters | 6
    8  - opaque .  SMS Binding Secret Key(s) | 16,32,48
    9  - str    .  LwM2M Server SMS Number
    10 - int    .  Short Server ID | 1..65534
    11 - int    .  Client Hold Off Time | | s
    12 - int    .  Bootstrap-Server Account Timeout | | s
    13 - uint   .  Matching Type | 0..3
    14 - str    .  SNI
    15 - uint   .  Certificate Usage | 0..3
    16 - uint   *  DTLS/TLS Ciphersuite
    17 - objlnk .  OSCORE Security Mode
    18 - uint   *  Groups To Use by Client | 0..65535
    19 - uint   *  Signature Algorithms Supported by Server | 0..65535
    20 - uint   *  Signature Algorithms To Use by Client | 0..65535
    21 - uint   *  Signature Algorithm Certs Supported by Server | 0..65535
    22 - uint   .  TLS 1.3 Features To Use by Client | 0..65535
    23 - uint   .  TLS Extensions Supported by Server | 0..65535
    24 - uint   .  TLS Extensions To Use by Client | 0..65535
    25 - str    *  Secondary LwM2M Server URI | 0..255
    26 - objlnk .  MQTT Server
    27 - objlnk *  LwM2M COSE Security
    28 - int    .  RDS Destination Port | 0..15
    29 - int    .  RDS Source Port | 0..15
    30 - str    .  RDS Application ID
    """,
    multiple=True,
    mandatory=True,
    lwm2m_version="1.1",
)
SECURITY_1_1 = SECURITY.older("1.1", last=17, lwm2m_version="1.1")
SECURITY_1_0 = SECURITY.older("1.0", last=12)

_SERVER = """
    0  R  int    m  Short Server ID | 1..65534
    1  RW {lifetime:6} m  Lifetime | | s
    2  RW int    .  Default Minimum Period | | s
    3  RW int    .  Default Maximum Period | | s
    4  E  -      .  Disable
    5  RW int    .  Disable Timeout | | s
    6  RW bool   m  Notification Storing When Disabled or Offline
    7  RW str    m  Binding
    8  E  -      m  Registration Update Trigger
    9  E  -      .  Bootstrap-Request Trigger
    10 RW objlnk .  APN Link
    11 R  uint   .  TLS-DTLS Alert Code | 0..255
    12 R  time   .  Last Bootstrapped
    13 R  uint   .  Registration Priority Order
    14 RW uint   .  Initial Registration Delay Timer | | s
    15 R  bool   .  Registration Failure Block
    16 R  bool   .  Bootstrap on Registration Failure
    17 RW uint   .  Communication Retry Count
    18 RW uint   .  Communication Retry Timer | | s
    19 RW uint   .  Communication Sequence Delay Timer | | s
    20 RW uint   .  Communication Sequence Retry Count
    21 RW bool   .  Trigger
    22 RW str    .  Preferred Transport
    23 RW bool   .  Mute Send
    24 RW objlnk *  Alternate APN Links
    25 RW str    *  Supported Server Versions
    26 RW int    .  Default Notification Mode | 0..1
    27 RW uint   .  Profile ID Hash Algorithm | 0..255
"""
SERVER_1_2 = object_model(
    1, "LwM2M Server", "1.2", _SERVER.format(lifetime="uint"), multiple=True, mandatory=True, lwm2m_version="1.2"
)
# The usual version: most devices register it, and those who read its Lifetime expect an integer.
SERVER = object_model(
    1, "LwM2M Server", "1.1", _SERVER.format(lifetime="int"), multiple=True, mandatory=True, lwm2m_version="1.1"
).older("1.1", last=23, lwm2m_version="1.1")
SERVER_1_0 = SERVER.older("1.0", last=8)

ACCESS_CONTROL = object_model(
    2,
    "LwM2M Access Control",
    "1.1",
    """
    0  R  int    m  Object ID | 1..65534
    1  R  int    m  Object Instance ID | 0..65535
    2  RW int    *  ACL | 0..31
    3  RW int    m  Access Control Owner | 0..65535
    """,
    multiple=True,
)
ACCESS_CONTROL_1_0 = ACCESS_CONTROL.older("1.0")

_OSCORE = """
    0  - {bytes:6} m  OSCORE Master Secret
    1  - {bytes:6} m  OSCORE Sender ID
    2  - {bytes:6} m  OSCORE Recipient ID
    3  - int    .  OSCORE AEAD Algorithm
    4  - int    .  OSCORE HMAC Algorithm
    5  - {bytes:6} .  OSCORE Master Salt
    6  - {bytes:6} .  OSCORE ID Context
"""
OSCORE = object_model(21, "LWM2M OSCORE", "2.0", _OSCORE.format(bytes="opaque"), multiple=True, lwm2m_version="1.2")
OSCORE_1_1 = object_model(21, "LWM2M OSCORE", "1.1", _OSCORE.format(bytes="str"), multiple=True, lwm2m_version="1.1")
OSCORE_1_0 = OSCORE_1_1.older("1.0", last=5, lwm2m_version="1.1")
