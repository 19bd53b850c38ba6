"""Objects 16 and 19: containers for other people's data.

Not verified: object 19's operations. Object 16 has a resource 2, AuthData, whose type differs between versions of the
registry: it is left out, so that its values keep the type that their format gives them.
"""

from lwm2m.objects.model import object_model

PORTFOLIO = object_model(
    16,
    "Portfolio",
    "1.0",
    """
    0  RW str    m* Identity
    1  E  -      .  GetAuthData
    3  R  int    .  AuthStatus | 0..2
    """,
    multiple=True,
)

BINARY_APP_DATA = object_model(
    19,
    "BinaryAppDataContainer",
    "1.0",
    """
    0  RW opaque m* Data
    1  RW int    .  Data Priority
    2  RW time   .  Data Creation Time
    3  RW str    .  Data Description
    4  RW str    .  Data Format
    5  RW int    .  App ID
    """,
    multiple=True,
)
