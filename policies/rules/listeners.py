"""Where devices connect: in production by TLS."""

from __future__ import annotations

from collections.abc import Iterator

from rules.base import Rule, Seen, Setting, in_production, items, production
from rules.tokens import BLUE_GREEN

_TLS = ("mqtts", "wss")


def _tls(seen: Seen) -> Iterator[str]:
    if not in_production(seen):
        return
    protocols = [one["protocol"] for one in items(seen.props["listeners"])]
    if not set(protocols) & set(_TLS):
        yield f"no listener has TLS ({', '.join(protocols) or 'none'}), one of {' or '.join(_TLS)} is needed (emqx:balancer.listeners)"
    plain = [protocol for protocol in protocols if protocol not in _TLS]
    if plain and seen.settings["plain"] == "refuse":
        yield f"{', '.join(plain)} is a listener without TLS (emqx:balancer.listeners)"


RULES = (
    Rule(
        "tls-in-production",
        "In production there is a listener with TLS.",
        {BLUE_GREEN},
        _tls,
        "Add {port: 8883, protocol: mqtts, certificate: ...} to emqx:balancer.listeners.",
        settings={
            **production(),
            "plain": Setting(
                "Whether listeners without TLS may stand beside it.",
                {"type": "string", "enum": ["allow", "refuse"]},
                "allow",
            ),
        },
    ),
)
