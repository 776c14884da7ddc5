"""The cluster's DNS: names of Services and of the pods behind headless ones.

The rule: an answer is what the EndpointSlices say now, for as long as a second; names outside the cluster do not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from lab.kubernetes.network import DOMAIN

Object = dict[str, Any]
TTL, PORT = 1, 53


class Names:
    """What stands behind a name."""

    def __init__(self, services: Mapping[str, Object], slices: Mapping[str, Object]) -> None:
        """Of these, by ``namespace/name``; they may change."""
        self._services, self._slices = services, slices

    def addresses(self, name: str) -> list[str] | None:
        """Of a Service, or of a pod in it; None for a name that does not exist."""
        parts = _parts(name)
        if parts is None:
            return None
        *pod, service, namespace = parts
        declared = self._services.get(f"{namespace}/{service}")
        if declared is None:
            return None
        address = declared["spec"].get("clusterIP", "None")
        if not pod and address != "None":
            return [address]
        found = [each for host, each, _ in self._endpoints(namespace, service) if not pod or [host] == pod]
        return None if pod and not found else sorted(set(found))

    def servers(self, name: str) -> list[tuple[int, str]] | None:
        """Port and host of the pods of a headless Service, or of one port of it (``_mqtt._tcp.service...``)."""
        asked = [part for part in name.split(".") if part.startswith("_")]
        parts = _parts(name.removeprefix("".join(f"{part}." for part in asked)))
        if parts is None or len(parts) != 2 or "/".join(reversed(parts)) not in self._services:
            return None
        service, namespace = parts
        wanted = asked[0][1:] if asked else None
        return sorted(
            {
                (port["port"], f"{host}.{service}.{namespace}.svc.{DOMAIN}.")
                for host, _, ports in self._endpoints(namespace, service)
                for port in ports
                if wanted in {None, port.get("name")}
            }
        )

    def _endpoints(self, namespace: str, service: str) -> Iterator[tuple[str, str, list[Object]]]:
        """Host name, address and ports of each; those that publish unready addresses are ready in their slices."""
        for one in list(self._slices.values()):
            meta = one["metadata"]
            if meta["namespace"] != namespace or meta.get("labels", {}).get("kubernetes.io/service-name") != service:
                continue
            for endpoint in one.get("endpoints") or ():
                if endpoint.get("conditions", {}).get("ready", True):
                    for address in endpoint["addresses"]:
                        yield endpoint.get("hostname") or address.replace(".", "-"), address, one.get("ports") or []


def _parts(name: str) -> list[str] | None:
    """``[pod,] service, namespace`` of a name of the cluster."""
    suffix = f".svc.{DOMAIN}"
    parts = name.removesuffix(suffix).split(".") if name.endswith(suffix) else []
    return parts if len(parts) in {2, 3} else None


def answered(names: Names, wire: bytes) -> bytes:
    """The answer to a question, as they go over the network."""
    query = dns.message.from_wire(wire)
    answer = dns.message.make_response(query, recursion_available=True)
    answer.flags |= dns.flags.AA
    question = query.question[0]
    name = question.name.to_text(omit_final_dot=True).lower()
    found: Iterable[str] | None
    if question.rdtype == dns.rdatatype.SRV:
        servers = names.servers(name)
        found = None if servers is None else [f"0 50 {port} {host}" for port, host in servers]
    else:
        found = names.addresses(name)
    if found is None:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    elif question.rdtype in {dns.rdatatype.A, dns.rdatatype.SRV} and (records := list(found)):
        answer.answer.append(dns.rrset.from_text_list(question.name, TTL, "IN", question.rdtype, records))
    return answer.to_wire(max_size=65000)
