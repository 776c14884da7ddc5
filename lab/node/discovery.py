"""Whom a node looks for when it boots alone: the names that it was given, or what the DNS says now.

The rule: a question that has no answer yet has none; the DNS's errors are nobody's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import dns.asyncresolver
import dns.exception
import dns.query

ANSWER_SECONDS = 3.0
_KINDS = {"a": "A", "srv": "SRV"}


def is_question(seed: str) -> bool:
    """Whether a seed is a question to the DNS, as ``srv:name`` or ``a:name``, and no node's name; ``srv:name:fleet`` where nodes are not called ``emqx``."""
    return "@" not in seed


async def found(seeds: Iterable[str], names: Callable[[str], Iterable[str]]) -> tuple[str, ...]:
    """The names of nodes that the seeds stand for; ``names`` tells those at an address."""
    answers: list[str] = []
    for seed in seeds:
        if not is_question(seed):
            answers.append(seed)
            continue
        kind, name, called = (*seed.split(":"), "emqx")[:3]
        for host in await _asked(name, _KINDS[kind]):
            answers += [f"{called}@{host}"] if kind == "srv" else names(host)
    return tuple(answers)


async def _asked(name: str, kind: str) -> list[str]:
    """Hosts of the SRV records, or addresses."""
    try:
        answer = await dns.asyncresolver.resolve(name, kind, lifetime=ANSWER_SECONDS, search=False)
    except (dns.exception.DNSException, OSError):
        return []
    return [record.target.to_text(omit_final_dot=True) if kind == "SRV" else record.to_text() for record in answer]
