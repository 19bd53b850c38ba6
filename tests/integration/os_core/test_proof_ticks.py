"""What a proof says of a model's instructions does not depend on when the running model interrupts it."""

import subprocess
from pathlib import Path

import pytest

from tests.support.os_core import BUILDER


@pytest.mark.usefixtures("libraries")
def test_only_the_ticks_of_the_proven_model_count_wherever_an_interrupt_falls(tmp_path: Path) -> None:
    program = tmp_path / "proof"
    includes = [BUILDER / "os", BUILDER / "libraries" / "include", BUILDER / "firmware"]
    subprocess.run(
        [
            *("gcc", "-std=gnu99", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined"),
            *(f"-I{folder}" for folder in (Path(__file__).parents[2] / "support" / "os_core", *includes)),
            *map(str, (Path(__file__).parent / "proof_ticks.c", BUILDER / "os" / "core" / "proof.c")),
            *(str(BUILDER / "libraries" / "host" / "libbearssl.a"), "-o", str(program)),
        ],
        check=True,
    )
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
