"""The firmware's memcpy, memmove and memset do what the C standard says, for every small size and overlap."""

import subprocess
from pathlib import Path

import pytest
from host_model import IMAGE

MAIN = """
#include <stdio.h>
#include <stddef.h>
#include <stdint.h>

#define SIZE 40

void *own_memcpy(void *restrict to, const void *restrict from, size_t count);
void *own_memmove(void *to, const void *from, size_t count);
void *own_memset(void *to, int value, size_t count);

static uint8_t bytes[SIZE], expected[SIZE];

static int differs(const char *name, int to, int from, int count)
{
    for (int index = 0; index < SIZE; index++) {
        if (bytes[index] != expected[index]) {
            printf("%s to %d from %d, %d bytes: byte %d differs", name, to, from, count, index);
            return 1;
        }
    }
    return 0;
}

static void fill(void)
{
    for (int index = 0; index < SIZE; index++) {
        bytes[index] = expected[index] = (uint8_t)(index * 7 + 1);
    }
}

int main(void)
{
    for (int count = 0; count <= 13; count++) {
        for (int to = 0; to + count <= SIZE; to++) {
            fill();
            own_memset(bytes + to, -3, (size_t)count);
            for (int index = 0; index < count; index++) {
                expected[to + index] = 0xFD;
            }
            if (differs("memset", to, 0, count)) {
                return 1;
            }
            for (int from = 0; from + count <= SIZE; from++) {
                int apart = to + count <= from || from + count <= to;
                for (int copies = 0; copies <= apart; copies++) {
                    fill();
                    (copies ? own_memcpy : own_memmove)(bytes + to, bytes + from, (size_t)count);
                    for (int index = 0; index < count; index++) {
                        expected[to + index] = (uint8_t)((from + index) * 7 + 1);
                    }
                    if (differs(copies ? "memcpy" : "memmove", to, from, count)) {
                        return 1;
                    }
                }
            }
        }
    }
    return 0;
}
"""


@pytest.mark.usefixtures("host_models")
def test_the_memory_functions_of_the_firmware_reach_exactly_their_bytes(tmp_path: Path) -> None:
    own = [f"-D{name}=own_{name}" for name in ("memcpy", "memmove", "memset", "memcmp")]
    flags = ["-std=c99", "-O2", "-Wall", "-Werror", "-fno-builtin", "-fno-tree-loop-distribute-patterns"]
    source = IMAGE / "firmware" / "memory.c"
    subprocess.run(["gcc", *flags, *own, "-c", str(source), "-o", "memory.o"], cwd=tmp_path, check=True)
    (tmp_path / "main.c").write_text(MAIN)
    subprocess.run(["gcc", *flags, "main.c", "memory.o", "-o", "program"], cwd=tmp_path, check=True)
    ran = subprocess.run([str(tmp_path / "program")], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
