"""What the migration documents tell a person on call to type is what the programs take."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from components.migration.__main__ import _parser

pytestmark = pytest.mark.unit

DOCS = Path(__file__).parents[2] / "docs"
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("migrate-*.md"))}
COMMANDS = [
    (name, found.replace("\\\n", " "))
    for name, text in TEXTS.items()
    for found in re.findall(r"python -m components\.migration ((?:check|convert|prove) (?:[^`\n\\]|\\\n)+)", text)
]


def test_both_documents_have_commands() -> None:
    assert {name for name, _ in COMMANDS} == {"migrate-4.2-to-4.3.md", "migrate-4.4-to-5.md"}
    assert len(COMMANDS) >= 5


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[command[:40] for _, command in COMMANDS])
def test_every_command_is_one_that_the_program_takes(name: str, command: str) -> None:
    options = _parser().parse_args(shlex.split(command))
    assert options.sources, name
    assert options.origin, name


def test_the_script_that_sends_is_a_script() -> None:
    script = re.search(r"<<'SCRIPT'\n(.+?)\nSCRIPT", TEXTS["migrate-4.4-to-5.md"], re.DOTALL)
    assert script is not None
    done = subprocess.run(["bash", "-n"], input=script[1], text=True, capture_output=True, check=False, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
