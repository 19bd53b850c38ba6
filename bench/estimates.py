"""Holds estimates against firmware that was booted: every total and every layer of every model, on each board.

    python -m bench.estimates [--board BOARD ...] [--optimise LEVEL ...] [--layers]

The shipped builder is asked as the server asks it: once for an estimate, once for a build, and once for a build with the
parameter `profile`. Both images are booted as the edge agent boots them, and the report's ticks are what is measured.
The models: the catalogue, the conformance models, those with state of the compiler's tests and, when there,
../shared/models and those of bench/kernels.py. A board with the device OS is not booted: of it flash and RAM are
compared. Exits with 1 when anything is more than a tenth off.
"""

import argparse
import asyncio
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builders.conformance import shipped_models
from builders.contract import FirmwareVersion, ModelRef, Tensor, build_request_json, golden_json
from builders.contract import Vector as GoldenVector
from edge.mcuboot import HEADER_MAGIC, HEADER_SIZE
from edge.qemu import MACHINES, QemuBoard
from edge.report import BootReport
