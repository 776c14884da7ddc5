"""The control port of lab nodes: scaling, and stopping and starting single nodes; every call is bounded and says what the lab answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from components.emqx.errors import NotNow
from components.system.trusted import authorities

CONTROL_SECONDS = 30.0


def control(url: str, method: str, body: Mapping[str, Any] | None = None) -> Any:
    """One call; what it answers.

    Raises:
        NotNow: it was not carried out; says what the lab saw.

    """
    try:
        answer = httpx.request(
            method, url, json=dict(body or {}), timeout=CONTROL_SECONDS, trust_env=False, verify=authorities()
        )
        if answer.is_success:
            return answer.json()
        seen = answer.text.strip()[:300] or f"status {answer.status_code}"
    except (httpx.HTTPError, ValueError) as failure:
        seen = f"{type(failure).__name__}"
    raise NotNow(f"{method} {url}", node="the lab", seen=seen, todo="run pulumi up again") from None


def node_url(ready: Mapping[str, Any], node: str, act: str = "") -> str:
    """Where one node is spoken of; ``ready`` is the ready file of its cluster."""
    return f"{ready['control']}/nodes/{quote(node, safe='@')}" + (f"/{act}" if act else "")
