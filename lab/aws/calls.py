"""Which operation of AWS a request asks for, by whom, and with what.

The rule: an operation is named as an IAM policy names it (``elasticloadbalancing:ModifyListener``), whatever protocol the request is in.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import botocore.session

PREFIXES = {"monitoring": "cloudwatch"}
"""Where IAM has another word than signatures have."""
CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]*)/([^/]+)/aws4_request")


@dataclass(frozen=True)
class Call:
    """One request: ``who`` is the access key, ``asked`` are the parameters where the protocol has them in its body."""

    service: str
    operation: str
    who: str
    asked: Mapping[str, Any] = field(default_factory=dict)
    protocol: str = "query"

    @property
    def action(self) -> str:
        """As IAM names it."""
        return f"{self.service}:{self.operation}"


def call_of(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Call | None:
    """The call that a request is; None for one that is not signed, or not AWS's."""
    signed = CREDENTIAL.search(headers.get("authorization", ""))
    if signed is None:
        return None
    who, service = signed[1], PREFIXES.get(signed[3], signed[3])
    target = headers.get("x-amz-target")
    if target:
        return Call(service, target.rpartition(".")[2], who, _object(body), "json")
    smithy = re.fullmatch(r"/service/[^/]+/operation/(\w+)", path)
    if smithy:
        return Call(service, smithy[1], who, protocol="cbor")
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        asked = dict(parse_qsl(body.decode(), keep_blank_values=True))
        return Call(service, asked.get("Action", ""), who, asked)
    return Call(service, _rest(service, method, path, query), who, {"path": path.lstrip("/")}, "xml")


def _object(body: bytes) -> dict[str, Any]:
    found = json.loads(body or b"{}")
    return found if isinstance(found, dict) else {}


def _rest(service: str, method: str, path: str, query: str) -> str:
    """The operation of a service whose operations are paths; the one that names most of the query."""
    there = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    best, most = "", -1
    for name, verb, pattern, needed in _operations(service):
        if verb == method and needed <= there and pattern.fullmatch(path) and len(needed) > most:
            best, most = name, len(needed)
    return best


@functools.cache
def _operations(service: str) -> list[tuple[str, str, re.Pattern[str], set[str]]]:
    model = botocore.session.get_session().get_service_model(service)
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path, _, query = http["requestUri"].partition("?")
        parts = re.split(r"(\{[^}]+\})", path)
        pattern = "".join(
            "(.+)" if part.endswith("+}") else "([^/]+)" if part[:1] == "{" else re.escape(part) for part in parts
        )
        needed = {part.partition("=")[0] for part in query.split("&") if part}
        found.append((name, http["method"], re.compile(f"{pattern}/?"), needed))
    return found
