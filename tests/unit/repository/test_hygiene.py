"""What every file of the repository keeps to: a reason for each exemption, no large file, no address of one machine."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

LARGEST_FILE_BYTES = 1_000_000

# An exemption, and what must follow it: the rule's code and ` - reason` after noqa, `# reason` after a type ignore.
EXEMPTIONS = (
    (re.compile(r"#\s*noqa\b"), re.compile(r"#\s*noqa:\s*[A-Z]+[0-9]+(\s*,\s*[A-Z]+[0-9]+)*\s+-\s+\S")),
    (re.compile(r"#\s*type:\s*ignore\b"), re.compile(r"#\s*type:\s*ignore\[[a-z-]+(\s*,\s*[a-z-]+)*\]\s*(#|-)\s*\S")),
    (re.compile(r"#\s*(ruff|mypy):\s"), re.compile(r"#\s*(ruff|mypy):\s.*(#|\s-)\s*\S")),
    (re.compile(r"#\s*pragma:\s*no cover"), re.compile(r"#\s*pragma:\s*no cover\s*(#|-)\s*\S")),
    (re.compile(r"pytest\.mark\.(skip|xfail)\b"), re.compile(r"pytest\.mark\.(skip|xfail)\(.*reason=")),
    (re.compile(r"pytest\.mark\.skipif\b"), re.compile(r"pytest\.mark\.skipif\((?!.*\)\s*$)|reason=")),
    (re.compile(r"pytest\.(skip|xfail)\("), re.compile(r"pytest\.(skip|xfail)\(\s*(f?[\"'a-z]|$)")),
)

# Assembled, so that this file does not hold them itself.
MACHINE_PATHS = re.compile("|".join(("/wo" + "rk/(main|shared)", "/ho" + "me/[a-z]", "/Us" + "ers/[a-zA-Z]")))
REGISTRIES = re.compile(
    "|".join(
        (
            r"pypi\.o" + "rg/simple",
            r"files\.python" + r"hosted\.org",
            r"registry\.npm" + r"js\.org",
            r"--(extra-)?index" + "-url",
            r"\.pkg\.d" + "ev",
        )
    )
)


def _lines(files: list[Path]) -> Iterator[tuple[Path, int, str]]:
    for file in files:
        content = file.read_bytes()
        if b"\0" not in content:
            for number, line in enumerate(content.decode(errors="replace").splitlines(), start=1):
                yield file, number, line


@pytest.fixture
def others(repository_files: list[Path]) -> list[Path]:
    """Every file but this one, which has to spell what it forbids."""
    return [file for file in repository_files if file != Path(__file__)]


def unreasoned(line: str) -> bool:
    """Whether the line exempts itself from a rule without saying why."""
    return any(found.search(line) and not reasoned.search(line) for found, reasoned in EXEMPTIONS)


def test_every_exemption_carries_its_reason(others: list[Path]) -> None:
    modules = [file for file in others if file.suffix == ".py"]
    bare = [f"{file}:{number}: {line.strip()}" for file, number, line in _lines(modules) if unreasoned(line)]
    assert bare == []


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # noqa",
        "x = 1  # noqa: S310",
        "x = 1  # type: ignore",
        "x = 1  # type: ignore[arg-type]",
        "@pytest.mark.skip",
        "@pytest.mark.xfail()",
        "pytest.skip()",
        "# ruff: noqa",
        "if x:  # pragma: no cover",
    ],
)
def test_the_scanner_sees_a_bare_exemption(line: str) -> None:
    assert unreasoned(line)


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # noqa: S310 - the URL is ours",
        "x = 1  # noqa: S310, E501 - the URL is ours",
        "x = 1  # type: ignore[arg-type]  # the stub is wrong",
        '@pytest.mark.skip(reason="the board has no UART")',
        'pytest.skip(f"needs {what}")',
        "pytest.skip(",
    ],
)
def test_the_scanner_accepts_a_reasoned_exemption(line: str) -> None:
    assert not unreasoned(line)


def test_every_rule_ignored_in_pyproject_has_its_reason_beside_it(root: Path) -> None:
    lines = (root / "pyproject.toml").read_text().splitlines()
    ignored = [line for line in lines if re.match(r'\s+"[A-Z]+[0-9]+",', line)]
    assert ignored
    assert [line for line in ignored if not re.search(r"#\s*\S", line)] == []


def test_no_file_is_larger_than_a_megabyte(repository_files: list[Path]) -> None:
    large = {str(file): file.stat().st_size for file in repository_files if file.stat().st_size > LARGEST_FILE_BYTES}
    assert large == {}


def test_no_file_names_a_path_of_one_machine(others: list[Path]) -> None:
    named = [f"{file}:{number}: {line.strip()}" for file, number, line in _lines(others) if MACHINE_PATHS.search(line)]
    assert named == []


def test_no_file_names_the_address_of_a_package_registry(others: list[Path]) -> None:
    # The option that keeps addresses out of the lock contains one of the words.
    lines = ((file, number, line.replace("--no-emit-index-url", "")) for file, number, line in _lines(others))
    named = [f"{file}:{number}: {line.strip()}" for file, number, line in lines if REGISTRIES.search(line)]
    assert named == []


def test_every_module_begins_with_its_role_in_one_sentence(others: list[Path]) -> None:
    modules = {file: file.read_text() for file in others if file.suffix == ".py"}
    silent = [str(file) for file, text in modules.items() if text and not re.match(r'(#!.*\n)?(# .*\n)*"""\S', text)]
    assert silent == []
