"""``--from`` and ``--to`` are refused where their first letter says another edition than the option."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from components.migration.__main__ import main

pytestmark = pytest.mark.unit
EXPORT = Path(__file__).parent / "recordings/migration/samples/v4.4.19.json"


@pytest.mark.parametrize("command", ["check", "convert", "prove"])
@pytest.mark.parametrize(
    ("said", "editions"),
    [
        (("e4.4.19", "5.8.11"), ("--edition", "ce")),
        (("4.4.19", "e5.8.11"), ("--edition", "ce")),
        (("4.4.19", "e5.8.9"), ("--edition", "ee", "--edition-to", "ce")),
    ],
)
def test_a_version_of_the_other_edition_is_refused_as_it_was_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str, said: tuple[str, str], editions: tuple[str, ...]
) -> None:
    out = ("--out", tmp_path / "out") if command == "convert" else ()
    options = ("--from", said[0], "--to", said[1], *editions, *out)
    status = main([command, str(EXPORT), *map(str, options)])
    err = capsys.readouterr().err
    assert status == 2
    assert re.fullmatch(
        r"refused: e[45]\.\S+ is an Enterprise release, declared as open source; say which it is\n", err
    )
    assert not (tmp_path / "out").exists()


def test_a_version_with_its_own_letter_is_taken() -> None:
    assert main(["check", "--from", "e4.4.19", "--to", "e5.8.11", "--strategy", "two-cluster"]) == 1
