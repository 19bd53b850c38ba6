"""Object 26241, "TinyMLaaS board" (vendor range): what the standard objects have no place for: the edge agent."""

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
    """,
)
