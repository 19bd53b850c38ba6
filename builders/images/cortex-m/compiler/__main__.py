"""Command line of the compiler alone: `python -m compiler model.tflite -o out/` writes the C sources."""

import argparse
import sys
from pathlib import Path

from compiler.compile import compile_model
from compiler.errors import CompileError


def main(arguments: list[str]) -> int:
    """0 and the sources in the folder, or 1 and the reason on standard error."""
    parser = argparse.ArgumentParser(prog="python -m compiler", description=__doc__)
    parser.add_argument("model", type=Path, help="an int8 .tflite file")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for model.c and model.h")
    options = parser.parse_args(arguments)
    try:
        compiled = compile_model(options.model.read_bytes())
    except CompileError as error:
        print(f"{options.model}: {error}", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    for name, text in compiled.sources.items():
        (options.out / name).write_text(text, encoding="ascii")
    print(f"{options.model}: {len(compiled.graph.nodes)} layers, arena {compiled.plan.arena_bytes} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
