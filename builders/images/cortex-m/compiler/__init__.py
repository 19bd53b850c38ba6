"""Ahead-of-time compiler from int8 TensorFlow Lite models to C99 for microcontrollers without an operating system."""

COMPILER_VERSION = "1.0.0"
