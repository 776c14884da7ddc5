"""What the documents say of the code is what the code is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components.intent import load
from components.ledger.base import CUTOVER, LEASE, SERVERS
from components.machines.words import Volume
from components.run.orders import ABORT, HOLD
from components.targets import TARGETS
from tests.aws_bed import account
from tools import draw_sequence

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *(
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/two-cluster.md", "docs/rolling.md")
    ),
    *sorted((ROOT / "docs" / "adr").glob("*.md")),
]
ADR = re.compile(
    r"# (\d{4}): .+\n\n\*\*Status\.\*\* .+\n\n\*\*Context\.\*\*.*\*\*Options\.\*\*.*\*\*Decision\.\*\*.*\*\*Consequences\.\*\*",
    re.DOTALL,
)


@pytest.mark.parametrize("tool", ["draw_sequence", "draw_rolling"])
def test_the_drawing_is_what_the_code_says(tool: str) -> None:
    # In a process of its own: Pulumi's mocks stay for the rest of the one that sets them.
    command = [sys.executable, "-m", f"tools.{tool}", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr


def test_an_old_drawing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, current = tmp_path / "two-cluster.md", draw_sequence.DOCUMENT.read_text()
    old.write_text(current.replace("Note over up: cutover-drain", "Note over up: cutover-away"))
    assert old.read_text() != current
    monkeypatch.setattr(draw_sequence, "DOCUMENT", old)
    assert draw_sequence.main(["--check"]) == 1
    assert draw_sequence.main([]) == 0
    assert old.read_text() == current


def test_every_key_that_the_balancer_remembers_is_told() -> None:
    told = set(re.findall(r"^\| `memory\.map`, `(\w+)`", (ROOT / "docs" / "two-cluster.md").read_text(), re.MULTILINE))
    assert told == {LEASE, SERVERS, HOLD, ABORT, *CUTOVER}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_module_and_target_that_is_named_exists(document: Path) -> None:
    text = document.read_text()
    makefile = (ROOT / "Makefile").read_text()
    modules = re.findall(r"python -m ((?:components|lab|tools)[\w.]*)", text)
    paths = re.findall(r"`((?:components|lab|tools|policies|docs|stacks)/[\w./-]+)`", text)
    assert [
        name for name in modules if not any((ROOT / name.replace(".", "/")).parent.glob(f"{name.split('.')[-1]}*"))
    ] == []
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert [
        name
        for name in re.findall(r"`make ([a-z-]+)", text)
        if not re.search(rf"^[a-z -]*\b{name}\b.*:", makefile, re.MULTILINE)
    ] == []


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "adr").glob("*.md")), ids=lambda path: path.name)
def test_a_decision_is_one_page_in_one_form(path: Path) -> None:
    text = path.read_text()
    found = ADR.match(text)
    assert found
    assert path.name.startswith(found[1])
    assert len(text.splitlines()) <= 45


def test_the_readme_has_a_line_for_each_target() -> None:
    readme = (ROOT / "README.md").read_text()
    for name in TARGETS:
        assert re.search(rf"^\| `{name}` \| built", readme, re.MULTILINE), name


def test_the_example_of_a_stack_file_is_a_valid_one_with_every_setting() -> None:
    config = yaml.safe_load((ROOT / "stacks" / "Pulumi.example.yaml").read_text())["config"]
    values = {key.removeprefix("emqx:"): value for key, value in config.items()}
    settings = load(values.get, stack="example", names=values)
    written = {**values["cutover"], **values["balancer"]}
    fields = {**type(settings.cutover).model_fields, **type(settings.balancer).model_fields}
    assert {field.alias for field in fields.values()} - set(written) == set()


def test_the_example_on_aws_is_a_valid_one_with_every_setting() -> None:
    config = yaml.safe_load((ROOT / "stacks" / "Pulumi.example-aws.yaml").read_text())["config"]
    values = {key.removeprefix("emqx:"): value for key, value in config.items()}
    with account():
        settings = load(values.get, stack="example", names=values)
    assert settings.clusters["green"].version == "5.8.9"
    front = {field.alias for field in type(settings.balancer.aws).model_fields.values()}
    assert front - set(values["balancer"]["aws"]) == {"instances", "records"}, (
        "those of other balancers are refused here"
    )
    of_4x = {"configuration", "exports", "credentialType", "jwtKey"}
    written, model = values["clusters"]["blue"], TARGETS["aws"].model
    assert {field.alias for field in model.model_fields.values()} - set(written) == of_4x
    assert set(written["volume"]) == {field.alias for field in Volume.model_fields.values()}


def test_the_example_with_haproxy_on_aws_is_a_valid_one_with_every_setting_of_its_instances() -> None:
    config = yaml.safe_load((ROOT / "stacks" / "Pulumi.example-aws-haproxy.yaml").read_text())["config"]
    values = {key.removeprefix("emqx:"): value for key, value in config.items()}
    with account():
        settings = load(values.get, stack="example", names=values)
    assert settings.balancer.target == "aws"
    instances = settings.balancer.aws.instances
    fields = {field.alias for field in type(instances).model_fields.values()}
    assert fields == set(values["balancer"]["aws"]["instances"])
