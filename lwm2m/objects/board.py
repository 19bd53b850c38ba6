"""Objects 26241 to 26243 (vendor range): what the standard objects have no place for, of edge agents and device OS."""

from lwm2m.objects.model import object_model

BOARD = object_model(
    26241,
    "TinyMLaaS board",
    "1.0",
    """
    0  R  str    m  Update Report
    1  R  str    m  Model SHA-256
    2  R  str    m  Board
    3  R  int    m  Instructions per Inference
    4  R  int    m  Arena Bytes
    5  R  str    .  ABI
    6  R  str    .  Model Source
    7  R  str    .  Reset Reason
    8  R  int    .  Longest Gap between Inferences | | ticks
    9  R  int    .  Longest Inference | | ticks
    10 R  int    .  Free Stack | | B
    11 R  int    .  Uptime | | s
    12 R  int    .  Inferences
    """,
)

INFERENCE = object_model(
    26242,
    "TinyMLaaS inference",
    "1.0",
    """
    0  W  opaque m  Input
    1  R  opaque m  Output
    2  R  int    m  Sequence
    3  R  int    m  Instructions
    4  R  float  .  Input Mean
    5  R  float  .  Input Deviation
    """,
)

TRAINING = object_model(
    26243,
    "TinyMLaaS training",
    "1.0",
    """
    0  R  int    m  State | 0..3
    1  R  int    m  Samples
    2  W  opaque m  Sample
    3  E  -      m  Clear
    4  E  -      m  Train
    5  R  int    m  Round
    6  R  float  .  Loss
    7  R  int    .  Steps
    8  R  int    .  Persists
    9  RW bool   m  Use
    10 R  str    .  Error
    11 R  int    .  Capacity
    12 R  int    m  Features
    13 R  int    m  Outputs
    14 R  int    .  Correct
    """,
)
