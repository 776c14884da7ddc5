"""Topic rewrite (`rewrite` root): regular expressions that change the topic of a PUBLISH or a SUBSCRIBE before anything looks at it."""

from __future__ import annotations

import re
from typing import Any, Literal

from lab.node.kept.topics import covers, split_share

_GROUP = re.compile(r"\$(\d)")


def rewritten(
    rules: list[dict[str, Any]],
    action: Literal["publish", "subscribe"],
    topic: str,
    client_id: str,
    username: str | None,
) -> str:
    """The topic after every rule that concerns the action and selects it, in order; a share prefix stays as it is."""
    _, real = split_share(topic)
    prefix = topic[: len(topic) - len(real)]
    for rule in rules:
        if rule["action"] not in {"all", action} or not covers(real, rule["source_topic"]):
            continue
        found = re.search(rule["re"], real)
        if found is None:
            continue
        real = _GROUP.sub(lambda group, at=found: at[int(group[1])], rule["dest_topic"])  # type: ignore[misc]  # a default binds the value of this turn
        real = real.replace("${clientid}", client_id).replace("${username}", username or "")
    return prefix + real
