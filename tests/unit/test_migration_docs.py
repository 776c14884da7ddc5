"""What the migration documents tell a person on call to type is what the programs take."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from components.migration.__main__ import main
from components.migration.arguments import parser as _parser

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


EXAMPLE = re.compile(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)^```", re.DOTALL | re.MULTILINE)
GUIDES = {"migrate-4.2-to-4.3.md": ("4.2.14", "4.3.22"), "migrate-4.4-to-5.md": ("4.4.19", "5.8.9")}
KINDS = 16
PLAIN = {"download.json", "emqx.conf", "acl.conf", "loaded_plugins", "loaded_modules"}
EXAMPLES = [
    (guide, name, text)
    for guide in GUIDES
    for name, text in EXAMPLE.findall(TEXTS[guide].partition("\n## What you can give\n")[2].partition("\n## ")[0])
]


def test_both_guides_have_an_example_of_each_kind() -> None:
    for guide in GUIDES:
        assert len([name for of, name, _ in EXAMPLES if of == guide]) == KINDS


@pytest.mark.parametrize(
    ("guide", "name", "text"), EXAMPLES, ids=[f"{guide[8:11]} {name}" for guide, name, _ in EXAMPLES]
)
def test_what_the_guide_says_can_be_given_is_read(guide: str, name: str, text: str, tmp_path: Path) -> None:
    file, out = tmp_path / name, tmp_path / "out"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    origin, target = GUIDES[guide]
    given = ["convert", str(file), "--from", origin, "--to", target, "--edition", "ce", "--credential", "username"]
    assert main([*given, "--out", str(out)]) == 0
    if name in PLAIN:
        assert json.loads((out / "manifest.json").read_text(encoding="utf-8"))["tally"]
    elif target == "4.3.22":
        (written,) = out.glob(f"{file.name}*")
        values = dict(line.split("=", 1) for line in written.read_text(encoding="utf-8").splitlines() if "=" in line)
        assert values["EMQX_AUTH__MONGO__USERNAME"] == "broker"
        assert values["EMQX_AUTH__MONGO__PASSWORD"] == "first-word"
    else:
        requests = json.loads((out / "requests.json").read_text(encoding="utf-8"))
        users = [one["body"] for one in requests if str(one["path"]).endswith("built_in_database/users")]
        assert [(one["user_id"], one["password"]) for one in users] == [("meter-1", "first-word")]
