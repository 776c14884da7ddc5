"""A Service of somebody's leads to the balancer only where that serves its clients, and what it led to before is never lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.emqx.errors import Refused
from components.kubernetes import names
from components.kubernetes.place import Place
from components.workloads.taking import BEFORE, Taking, change_of, leads_here, take
from tests.unit.fake_kubernetes import FakeApi, patched

pytestmark = pytest.mark.unit
THEIRS = {"app.kubernetes.io/name": "emqx", "app.kubernetes.io/instance": "fleet"}
OURS = names.balancer_labels("emqx")
PORTS = [
    {"name": "mqtt", "port": 1883, "targetPort": "mqtt", "nodePort": 31_883},
    {"name": "mqttssl", "port": 8883, "targetPort": "mqttssl"},
    {"name": "dashboard", "port": 18_083, "targetPort": "dashboard"},
]


def service(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "fleet-emqx"}, "spec": {"selector": THEIRS, "ports": PORTS, **spec}}


def taking(**more: Any) -> Taking:
    place = Place(namespace="mqtt")
    return Taking(**{"place": place, "name": "emqx", "service": "fleet-emqx", "ports": [1883], **more})


def test_what_it_leads_to_is_changed_and_nothing_else_and_what_it_led_to_is_kept() -> None:
    change = change_of(service(), OURS, [1883])
    after = patched(service(type="LoadBalancer"), change)
    assert after["spec"]["selector"] == OURS
    assert after["spec"]["type"] == "LoadBalancer"
    assert after["spec"]["ports"] == [{**PORTS[0], "targetPort": 1883}, *PORTS[1:]]
    assert json.loads(after["metadata"]["annotations"][BEFORE]) == {"selector": THEIRS, "ports": PORTS}
    assert change_of(after, OURS, [1883]) is None, "once is enough"


def test_a_service_that_was_put_back_is_led_here_again_and_still_says_what_it_led_to_first() -> None:
    after = patched(service(), change_of(service(), OURS, [1883]))
    put_back = patched(after, {"spec": {"selector": {**dict.fromkeys(OURS), "other": "one"}}})
    again = patched(put_back, change_of(put_back, OURS, [1883]))
    assert again["spec"]["selector"] == OURS
    assert json.loads(again["metadata"]["annotations"][BEFORE])["selector"] == THEIRS


async def test_a_port_of_clients_that_the_balancer_does_not_serve_is_refused_and_nothing_is_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = FakeApi(monkeypatch)
    world.objects["services/fleet-emqx"] = service()
    with pytest.raises(Refused, match="it has port 8883, at which the balancer does not listen"):
        await take(taking())
    assert world.sent == []
    assert await take(taking(leaves=[8883])) == [8883, 18_083]
    assert await leads_here(taking())
    assert await take(taking(leaves=[8883])) == [8883, 18_083]
    assert world.sent == ["PATCH services/fleet-emqx"], "one that leads here is left alone"


async def test_a_service_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeApi(monkeypatch)
    with pytest.raises(Refused, match=r"the Service fleet-emqx on mqtt: none.*emqx:balancer\.kubernetes\.takes"):
        await take(taking())
