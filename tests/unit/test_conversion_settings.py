"""What a stack has to say of a colour of 4.x: asked in one go, before anything is registered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.intent import links_of
from tests.unit.settings_bed import NODE, config, read, refusal

pytestmark = pytest.mark.unit


def old(directory: Path, version: str = "4.4.19", **more: Any) -> dict[str, Any]:
    """Blue of somebody's, with its files."""
    (directory / "etc").mkdir(exist_ok=True)
    blue = {"target": "external", "version": version, "edition": "ce", "nodes": [NODE]}
    said = {"configuration": [str(directory / "etc")], "exports": {"path": str(directory)}}
    green = {"target": "local", "version": "5.8.9", "edition": "ce", "nodes": 1}
    return config(clusters={"blue": {**blue, **said, **more}, "green": green})


def test_a_conversion_is_a_link_between_export_and_import_in_either_direction(tmp_path: Path) -> None:
    for live in ("green", "blue"):
        raw = old(tmp_path) | {"live": live}
        raw["cutover"]["acknowledge"] = ["way_back"]
        names = [link.name for link in links_of(read(raw))]
        assert names[:5] == ["backup", "export", "conversion", "import", "verification"]


def test_colours_of_5_x_have_no_such_link() -> None:
    assert "conversion" not in [link.name for link in links_of(read(config()))]


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({"exports": None}, "emqx:clusters.blue.exports: it is not said how an export is got"),
        ({"exports": "api"}, "emqx:clusters.blue.exports: 4.4 never hands an export out over its API"),
        ({"exports": {"path": "/no/such/place"}}, "/no/such/place is not there"),
        ({"exports": "target"}, "emqx:clusters.blue.exports: target"),
        ({"exports": "ssh"}, "emqx:clusters.blue.exports"),
        ({"exports": {"path": "/tmp", "command": ["cat", "{path}"]}}, "emqx:clusters.blue.exports"),
        ({"configuration": []}, "emqx:clusters.blue.configuration: not said"),
        ({"configuration": ["/no/such/file"]}, "emqx:clusters.blue.configuration[0]: /no/such/file"),
        ({"credentialType": "both"}, "emqx:clusters.blue.credentialType"),
    ],
)
def test_what_is_not_said_or_cannot_be_right_is_asked(more: dict[str, Any], wanted: str, tmp_path: Path) -> None:
    raw = old(tmp_path, **more)
    if raw["clusters"]["blue"]["exports"] is None:
        del raw["clusters"]["blue"]["exports"]
    assert wanted in "\n".join(refusal(raw))


def test_4_2_does_not_go_to_5_8_at_once_and_the_path_is_named(tmp_path: Path) -> None:
    told = "\n".join(refusal(old(tmp_path, "4.2.14", exports="api")))
    assert "4.2.14 -> 4.3.22 (two-cluster), then 4.3.22 -> 4.4.19" in told


def test_a_cluster_of_4_x_is_not_shared_since_nobody_could_leave_it_and_what_goes_is_named(tmp_path: Path) -> None:
    raw = old(tmp_path, "4.3.22", exports="api")
    raw["clusters"]["green"]["version"] = "4.4.19"
    assert read(raw)
    raw["cutover"]["strategy"] = "same-cluster"
    (told,) = [line for line in refusal(raw) if "emqx:cutover.strategy" in line]
    assert "allowed: rolling (4.3 to 4.4, node by node in place) or two-cluster" in told
    assert "emqx_ctl cluster force-leave" in told


def test_what_only_4_x_needs_is_refused_elsewhere() -> None:
    assert "emqx:clusters.blue.exports: declared" in "\n".join(refusal(config(clusters__blue__exports="target")))


def test_a_balancer_that_carries_websocket_needs_the_listeners_of_a_4_x(tmp_path: Path) -> None:
    raw = old(tmp_path) | {"balancer": {"listeners": [{"port": 8083, "protocol": "ws", "host": "127.0.0.1"}]}}
    assert "emqx:clusters.blue.nodes[0].ws: missing" in "\n".join(refusal(raw))
    blue = raw["clusters"]["blue"]
    blue["nodes"] = [{**node, "ws": "10.0.0.1:8083"} for node in blue["nodes"]]
    assert read(raw).balancer.websocket
