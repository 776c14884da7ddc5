"""The cluster's names and addresses: what the DNS answers and where a Service leads."""

from __future__ import annotations

from typing import Any

import dns.message
import dns.rcode
import pytest

from lab.kubernetes.names import Names, answered
from lab.kubernetes.services import ready

pytestmark = pytest.mark.unit


def part(host: str, address: str, *, is_ready: bool = True) -> dict[str, Any]:
    return {"addresses": [address], "hostname": host, "conditions": {"ready": is_ready}}


SLICE: dict[str, Any] = {
    "metadata": {"namespace": "n", "name": "emqx-x", "labels": {"kubernetes.io/service-name": "emqx"}},
    "ports": [{"name": "mqtt", "port": 1883}, {"name": "api", "port": 18083}],
    "endpoints": [
        part("emqx-0", "10.244.1.1"),
        part("emqx-1", "10.244.1.2"),
        part("emqx-2", "10.244.1.3", is_ready=False),
    ],
}
SERVICES = {"n/emqx": {"spec": {"clusterIP": "None"}}, "n/web": {"spec": {"clusterIP": "10.96.1.1"}}}
NAMES = Names(SERVICES, {"n/emqx-x": SLICE})


def asked(name: str, kind: str) -> tuple[int, list[str]]:
    answer = dns.message.from_wire(answered(NAMES, dns.message.make_query(name, kind).to_wire()))
    return answer.rcode(), sorted(record.to_text() for rows in answer.answer for record in rows)


@pytest.mark.parametrize(
    ("name", "kind", "records"),
    [
        ("web.n.svc.cluster.local", "A", ["10.96.1.1"]),
        ("WEB.n.svc.cluster.local", "AAAA", []),
        ("emqx.n.svc.cluster.local", "A", ["10.244.1.1", "10.244.1.2"]),
        ("emqx-1.emqx.n.svc.cluster.local", "A", ["10.244.1.2"]),
        (
            "_mqtt._tcp.emqx.n.svc.cluster.local",
            "SRV",
            ["0 50 1883 emqx-0.emqx.n.svc.cluster.local.", "0 50 1883 emqx-1.emqx.n.svc.cluster.local."],
        ),
    ],
)
def test_a_name_of_the_cluster_is_what_stands_behind_it_now(name: str, kind: str, records: list[str]) -> None:
    assert asked(name, kind) == (dns.rcode.NOERROR, records)


@pytest.mark.parametrize(
    "name", ["none.n.svc.cluster.local", "emqx-2.emqx.n.svc.cluster.local", "example.com", "cluster.local"]
)
def test_what_is_not_there_does_not_exist(name: str) -> None:
    assert asked(name, "A") == (dns.rcode.NXDOMAIN, [])


def test_a_port_of_a_service_leads_to_the_pods_that_are_ready() -> None:
    assert ready([SLICE], "api") == [("10.244.1.1", 18083), ("10.244.1.2", 18083)]
    assert (
        ready([SLICE], "none") == ready([], "api") == ready([{**SLICE, "endpoints": None, "ports": None}], None) == []
    )
