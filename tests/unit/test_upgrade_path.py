"""The hops between two versions as stack changes, one reviewed change at a time."""

from __future__ import annotations

import pytest
import yaml

from components.cutover.versions import BadVersion
from tools.upgrade_path import main, path

pytestmark = pytest.mark.unit


def test_from_4_2_to_5_8_goes_by_4_3_and_4_4() -> None:
    text = path("4.2.14", "5.8.x", "ce", "ce", "blue")
    assert [line for line in text.splitlines() if line.startswith("# hop")] == [
        "# hop 1: 4.2.14 -> 4.3.22 (two-cluster)",
        "# hop 2: 4.3.22 -> 4.4.19 (rolling or same-cluster or two-cluster)",
        "# hop 3: 4.4.19 -> 5.8.9 (two-cluster)",
    ]
    assert "exports: api" in text
    assert "{path}" in text


def test_each_change_is_yaml_and_the_colours_take_turns() -> None:
    text = path("4.2.14", "5.8.x", "ce", "ce", "blue")
    changes = [yaml.safe_load(f"#{part}")["config"] for part in text.split("# hop")[1:]]
    assert [change.get("emqx:live") for change in changes] == ["green", None, "blue"]
    assert changes[1]["emqx:clusters"] == {"green": {"version": "4.4.19"}}
    assert changes[1]["emqx:cutover"] == {"strategy": "rolling"}
    assert set(changes[2]["emqx:clusters"]) == {"green", "blue"}


@pytest.mark.parametrize(("origin", "target"), [("5.8.9", "4.4.19"), ("4.2.14", "9.9.x"), ("new", "5.8.x")])
def test_where_no_way_leads_it_is_refused(origin: str, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadVersion):
        path(origin, target, "ee", "ee", "blue")
    assert main(["--from", origin, "--to", target]) == 2
    assert capsys.readouterr().err.startswith("refused: ")


def test_one_version_is_no_way(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--from", "5.8.9", "--to", "5.8.9"]) == 0
    assert "nothing to do" in capsys.readouterr().out
