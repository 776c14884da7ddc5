"""The account's name servers: whoever asks for a name of its hosted zones is answered as Route 53 would, by weight and by health.

The rule: each question is answered anew; who keeps an answer, and for how long, is the business of whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

MOST = 8
"""So many addresses are in an answer of records with several values."""
LINKS = 8


class Names:
    """``records`` tells all that the name servers have, ``well`` whether a health check passes."""

    def __init__(
        self, records: Callable[[], Sequence[Any]], well: Callable[[str], bool], chance: Random | None = None
    ) -> None:
        """Of these; they may change."""
        self._records, self._well, self._chance = records, well, chance or Random()

    def answered(self, wire: bytes) -> bytes:
        """The answer to a question, as they go over the network."""
        query = dns.message.from_wire(wire)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA
        question = query.question[0]
        name, asked = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
        for _ in range(LINKS):
            there = [one for one in self._records() if one.name.lower() == name]
            if not there:
                answer.set_rcode(dns.rcode.NXDOMAIN)
                break
            found = self._chosen([one for one in there if one.type in {asked, "CNAME"}])
            if not found:
                break
            values = [f"{value}" for one in found for value in one.records]
            kind, ttl = str(found[0].type), int(found[0].ttl)
            if kind == "CNAME":
                values = [f"{values[0].rstrip('.').lower()}."]
            answer.answer.append(dns.rrset.from_text_list(name, ttl, "IN", kind, values))
            if kind == asked:
                break
            name = values[0]
        return answer.to_wire(max_size=65_000)

    def _chosen(self, records: list[Any]) -> list[Any]:
        """Those that are told: one by its weight, or up to eight that are well, or all as they are."""
        healthy = [one for one in records if not one.health_check_id or self._well(one.health_check_id)] or records
        if healthy and healthy[0].weight is not None:
            weights = [int(one.weight) for one in healthy]
            return self._chance.choices(healthy, weights if any(weights) else None)
        if healthy and healthy[0].multi_value_answer:
            return self._chance.sample(healthy, min(MOST, len(healthy)))
        return healthy
