"""Runs the builder as a plain process: `python build.py [model.tflite] [--in DIR] [--out DIR]`."""

import sys

from firmware_builder.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
