"""IPSO smart objects 3300 to 3342: sensors and actuators. Version 1.0 as in the OMA registry.

Version 1.1 of a sensor adds a time and a quality to each measurement; verified for object 3302, not for the others.
"""

from lwm2m.objects.model import ObjectModel, object_model

_VALUE = "5700 R float m Sensor Value"
_SENSOR = """
    5601 R  float . Min Measured Value
    5602 R  float . Max Measured Value
    5603 R  float . Min Range Value
    5604 R  float . Max Range Value
    5605 E  -     . Reset Min and Max Measured Values
    5701 R  str   . Sensor Units
"""
_APPLICATION = "5750 RW str . Application Type\n"
_CALIBRATION = "5821 RW float . Current Calibration\n"
_QUALITY = """
    5518 R  time  . Timestamp
    6042 R  int   . Measurement Quality Indicator | 0..23
    6049 R  int   . Measurement Quality Level | 0..100
    6050 R  float . Fractional Timestamp | 0..1 | s
"""


def _object(number: int, name: str, table: str) -> ObjectModel:
    return object_model(number, name, "1.0", table, multiple=True)


def _with_quality(model: ObjectModel, table: str) -> ObjectModel:
    return object_model(model.id, model.name, "1.1", table, multiple=True, lwm2m_version="1.1")


_PRESENCE = """
    5500 R  bool  m Digital Input State
    5501 R  int   . Digital Input Counter
    5505 E  -     . Digital Input Counter Reset
    5751 R  str   . Sensor Type
    5903 RW int   . Busy to Clear delay | | ms
    5904 RW int   . Clear to Busy delay | | ms
"""
_AXES = """
    5702 R  float m X Value
    5703 R  float . Y Value
    5704 R  float . Z Value
    5701 R  str   . Sensor Units
    5603 R  float . Min Range Value
    5604 R  float . Max Range Value
"""
_GENERIC = f"{_VALUE}{_SENSOR}{_APPLICATION}5751 R str . Sensor Type\n"

_PLAIN = [
    _object(number, name, _VALUE + _SENSOR)
    for number, name in ((3301, "Illuminance"), (3303, "Temperature"), (3304, "Humidity"), (3315, "Barometer"))
]
_CALIBRATED = [
    _object(number, name, _VALUE + _SENSOR + _CALIBRATION + _APPLICATION)
    for number, name in ((3316, "Voltage"), (3322, "Load"), (3323, "Pressure"), (3330, "Distance"))
]
_GENERIC_SENSOR = _object(3300, "Generic Sensor", _GENERIC)
_PRESENCE_SENSOR = _object(3302, "Presence", _PRESENCE)
_ACCELEROMETER = _object(3313, "Accelerometer", _AXES)

_POWER_MEASUREMENT = _object(
    3305,
    "Power Measurement",
    """
    5800 R  float m Instantaneous active power | | W
    5801 R  float . Min Measured active power | | W
    5802 R  float . Max Measured active power | | W
    5803 R  float . Min Range active power | | W
    5804 R  float . Max Range active power | | W
    5805 R  float . Cumulative active power | | Wh
    5806 W  float . Active Power Calibration | | W
    5810 R  float . Instantaneous reactive power | | var
    5811 R  float . Min Measured reactive power | | var
    5812 R  float . Max Measured reactive power | | var
    5813 R  float . Min Range reactive power | | var
    5814 R  float . Max Range reactive power | | var
    5815 R  float . Cumulative reactive power | | varh
    5816 W  float . Reactive Power Calibration | | var
    5820 R  float . Power factor
    5821 RW float . Current Calibration
    5822 E  -     . Reset Cumulative energy
    5605 E  -     . Reset Min and Max Measured Values
    """,
)
_LIGHT_CONTROL = _object(
    3311,
    "Light Control",
    """
    5850 RW bool  m On/Off
    5851 RW int   . Dimmer | 0-100 | %
    5852 RW int   . On time | | s
    5805 R  float . Cumulative active power | | Wh
    5820 R  float . Power factor
    5706 RW str   . Colour
    5701 R  str   . Sensor Units
    5750 RW str   . Application Type
    """,
)
_SWITCH = _object(
    3342,
    "On/Off switch",
    """
    5500 R  bool  m Digital Input State
    5501 R  int   . Digital Input Counter
    5852 RW int   . On time | | s
    5854 RW int   . Off Time | | s
    5750 RW str   . Application Type
    """,
)

IPSO = (
    _with_quality(_GENERIC_SENSOR, _GENERIC + _QUALITY),
    *(_with_quality(model, _VALUE + _SENSOR + _APPLICATION + _QUALITY) for model in _PLAIN),
    *(_with_quality(model, _VALUE + _SENSOR + _CALIBRATION + _APPLICATION + _QUALITY) for model in _CALIBRATED),
    _with_quality(_PRESENCE_SENSOR, _PRESENCE + _APPLICATION + _QUALITY),
    _with_quality(_ACCELEROMETER, _AXES + _APPLICATION + _QUALITY),
    _GENERIC_SENSOR,
    *_PLAIN,
    *_CALIBRATED,
    _PRESENCE_SENSOR,
    _ACCELEROMETER,
    _POWER_MEASUREMENT,
    _LIGHT_CONTROL,
    _SWITCH,
)
