"""Secrets on Kubernetes: they come from Secrets, and none is the one that EMQX ships with.

The rule: a value is compared, never shown.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from rules.base import CRITICAL, Rule, Seen, fields, items
from rules.kubernetes_pods import containers
from rules.secrets import is_credential
from rules.tokens import CONFIG_MAP, SECRET, WORKLOADS

DEFAULTS = frozenset({"public", "emqxsecretcookie"})
"""The dashboard's password and the cookie that every EMQX has until somebody sets another one."""
_SET = re.compile(r"(?:^|[\s{,])(?:\w+\.)*(\w+)\s*[:=]\s*[\"']?([^\"'\s#,}]+)", re.MULTILINE)


def _from_secrets(seen: Seen) -> Iterator[str]:
    if seen.token == CONFIG_MAP:
        for name, text in _texts(seen):
            for word in sorted(
                {word for word, value in _SET.findall(text) if is_credential(word) and not _refers(value)}
            ):
                yield f"data.{name} sets {word} in clear (a Secret, or a file that comes from one)"
            if is_credential(name):
                yield f"data.{name} is a credential in clear (a Secret)"
        return
    for container in containers(seen.props):
        for entry in items(container.get("env") or ()):
            name = str(entry["name"])
            if is_credential(name) and entry.get("value"):
                yield f"container {container['name']} has {name} in clear (valueFrom.secretKeyRef)"


def _no_default(seen: Seen) -> Iterator[str]:
    if seen.token in WORKLOADS:
        for container in containers(seen.props):
            for entry in items(container.get("env") or ()):
                if is_credential(str(entry["name"])) and entry.get("value") in DEFAULTS:
                    yield f"container {container['name']} has EMQX's default in {entry['name']}"
        return
    for name, text in _texts(seen):
        words = {word for word, value in _SET.findall(text) if is_credential(word) and value in DEFAULTS}
        if (is_credential(name) and text.strip() in DEFAULTS) or words:
            yield f"{name} has EMQX's default{''.join(f' in {word}' for word in sorted(words))}"


def _texts(seen: Seen) -> Iterator[tuple[str, str]]:
    """What a ConfigMap or Secret holds, by name."""
    data, clear = fields(seen.props.get("data") or {}), fields(seen.props.get("stringData") or {})
    for name in data:
        text = str(data[name])
        yield str(name), base64.b64decode(text).decode("utf-8", "replace") if seen.token == SECRET else text
    for name in clear:
        yield str(name), str(clear[name])


def _refers(value: str) -> bool:
    """``${EMQX_NODE__COOKIE}`` and ``file:///run/secrets/cookie`` name a place, not a secret."""
    return value.startswith(("${", "file://", "$("))


RULES = (
    Rule(
        "kubernetes-secrets-from-secrets",
        "Credentials reach pods from Secrets only.",
        {*WORKLOADS, CONFIG_MAP},
        _from_secrets,
        "Take the value from a Secret (valueFrom.secretKeyRef, or a mounted file), then change it: it was readable.",
        CRITICAL,
    ),
    Rule(
        "kubernetes-no-default-password",
        "Nothing keeps a password or cookie that EMQX ships with.",
        {*WORKLOADS, CONFIG_MAP, SECRET},
        _no_default,
        "Set emqx:credentials.COLOUR.password with --secret; the target makes the cookie by itself.",
        CRITICAL,
    ),
)
