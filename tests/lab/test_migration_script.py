"""The script of the guide: it waits for the plugin, imports, sends the requests in their order and stops where 4.3 does not have what was sent."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from components.migration.hop_42_43.acl import applied
from components.migration.requests import pieces
from tests.lab.management_43 import Node, served
from tests.unit.hop_42_43_bed import recorded_hop

pytestmark = pytest.mark.lab

SECRET = 's3"c\\ret'
GUIDE = Path(__file__).parents[2] / "docs" / "migrate-4.2-to-4.3.md"


def script() -> str:
    found = re.search(r"<<'SCRIPT'\n(.+?)\nSCRIPT", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def run(node: Node, directory: Path, tries: int = 5) -> subprocess.CompletedProcess[str]:
    result = recorded_hop("username")[1]
    (directory / "export.json").write_text(result.texts["export.json"], encoding="utf-8")
    (directory / "requests.json").write_bytes(b"".join(pieces(result.requests)))
    (directory / "send.sh").write_text(script(), encoding="utf-8")
    with served(node) as api:
        return subprocess.run(
            ["bash", str(directory / "send.sh"), str(directory), "export.json", api],
            input=f"{SECRET}\n", text=True, capture_output=True, check=False, timeout=60,
            env={**os.environ, "TRIES": str(tries)},
        )  # fmt: skip


def test_it_imports_sends_and_reads_back(tmp_path: Path) -> None:
    node, result = Node(active_after=1), recorded_hop("username")[1]
    done = run(node, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"imported export.json, sent and read back {len(result.requests)} requests\n"
    assert (node.imported, node.users_imported) == (json.loads(result.texts["export.json"]), True)
    kept: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for row in sorted(
        node.rules.values(), key=lambda row: (row.created_at, row.topic.encode(), row.action), reverse=True
    ):
        kept.setdefault((row.kind, row.value), []).append((row.topic, row.action, row.access))
    wanted = applied(result.requests)
    assert kept == {key: [(row.topic, row.action, row.access) for row in rows] for key, rows in wanted.items()}
    said = base64.b64encode(f"transfer:{SECRET}".encode()).decode()
    assert node.authorizations == {f"Basic {said}"}


def test_it_does_not_import_before_the_plugin_is_active(tmp_path: Path) -> None:
    node = Node(active_after=1000)
    done = run(node, tmp_path, tries=1)
    assert done.returncode == 1
    assert "emqx_auth_mnesia not active, after 1 tries" in done.stderr
    assert node.imported is None
    assert node.rules == {}


def test_it_stops_where_the_import_is_refused_with_code_200(tmp_path: Path) -> None:
    node = Node(import_answer={"message": "import_failed"})
    done = run(node, tmp_path)
    assert done.returncode == 1
    assert 'refused: import: {"message": "import_failed"}' in done.stderr
    assert node.rules == {}


def test_it_stops_where_rules_came_into_one_millisecond(tmp_path: Path) -> None:
    done = run(Node(frozen_clock=True), tmp_path)
    assert done.returncode == 1
    assert re.search(r"refused: request \d+ \(GET /acl/", done.stderr)
    assert "s3" not in done.stderr + done.stdout
