"""Whose a resource is can be read from it: environment and colour, as labels on Kubernetes and as tags on AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rules.base import MEDIUM, Rule, Seen, Setting, fields, items
from rules.tokens import EBS_VOLUME, INSTANCE, STATEFUL_SET, TAGGED

OF_A_COLOUR = frozenset({STATEFUL_SET, INSTANCE, EBS_VOLUME})
"""What exists once for each colour; the rest may serve both."""


def _tagged(seen: Seen) -> Iterator[str]:
    tags = _tags(seen)
    wanted = [str(one) for one in items(seen.settings["names"])]
    if seen.token in OF_A_COLOUR:
        wanted.append(str(seen.settings["colour"]))
    for name in wanted:
        if not tags.get(name):
            yield f"it has no {name} ({'metadata.labels' if seen.token.startswith('kubernetes:') else 'tags'}.{name})"


def _tags(seen: Seen) -> Mapping[str, Any]:
    if seen.token.startswith("kubernetes:"):
        return fields(fields(seen.props["metadata"]).get("labels") or {})
    return fields(seen.props.get("tags") or {})


RULES = (
    Rule(
        "tagged",
        "Resources say which environment they belong to, and those of a colour which colour.",
        TAGGED,
        _tagged,
        "Leave the labels and tags as the target makes them.",
        MEDIUM,
        {
            "names": Setting(
                "What every resource has.", {"type": "array", "items": {"type": "string"}}, ["environment"]
            ),
            "colour": Setting("What a colour's own resources have too.", {"type": "string"}, "colour"),
        },
    ),
)
