"""No secret stands in plain configuration, and none is handed to one of our resources as an input.

The rule: a credential is known by its name (``apiSecret``, ``password``, ``cookie``), never by its value, and its value is never shown.
Limits: a credential under an innocent name is not found, nor is one in inputs of other providers' resources, since an analyzer gets
secret and plain inputs alike (pulumi_policy 1.21).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pulumi_policy.proxy import UnknownValueError

from rules.base import CRITICAL, Rule, Seen
from rules.stack_config import StackConfig, heard
from rules.tokens import DYNAMIC, STACK

_CREDENTIAL = re.compile(
    r"pass(word|wd|phrase)$|^certificates$|secret(s|_?key)?$|api_?key$|private_?key$|access_?key$|cookie$|bearer|(auth|access)_?token$",
    re.IGNORECASE,
)
_HOW = "pulumi config set --secret"


def is_credential(name: str) -> bool:
    """Whether a name says that its value is one."""
    return _CREDENTIAL.search(name) is not None


def _no_plain_secret(seen: Seen) -> Iterator[str]:
    if seen.token == STACK:
        yield from _in_config(heard())
        return
    for path in sorted(set(_credentials(seen.props, ""))):
        yield f"the input {path} holds a credential; credentials come from the stack's configuration only (emqx:credentials)"


def _in_config(config: StackConfig | None) -> Iterator[str]:
    if config is None:
        yield "the engine did not tell the stack's configuration, and this rule refuses what it cannot see"
        return
    document = config.document or {}
    plain = {
        path
        for key, value in config.values.items()
        if key not in config.secret_keys
        for path in _credentials({key: value}, "")
    }
    # In the file an encrypted value is {secure: ...}, also beside plain ones in the same object.
    plain |= set(_credentials(document, ""))
    for path in sorted(plain):
        yield f"{path} is not encrypted ({_HOW} --path {path})"
    for key in sorted(config.secret_keys):
        if key not in document and not isinstance(config.values.get(key), str):
            yield (
                f"{key} is an object with something encrypted in it, and the stack's file that says what else is in it was not found"
                " (stacks/Pulumi.STACK.yaml): this rule refuses what it cannot see"
            )


def _credentials(value: Any, path: str, *, inside: bool = False) -> Iterator[str]:
    """The paths of credentials in clear: a text, a number or an unknown under a name that says so, at any depth below it."""
    if isinstance(value, Mapping):
        for key in value:
            if str(key).startswith("__") or _is_name(value, key):
                continue
            yield from _named(value, key, f"{path}.{key}" if path else str(key), inside=inside)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for index in range(len(value)):
            yield from _named(value, index, f"{path}[{index}]", inside=inside)


def _is_name(container: Mapping[Any, Any], key: Any) -> bool:
    """EMQX's API key has a secret beside it, and is then no more than the user's name."""
    return str(key).lower().replace("_", "") == "apikey" and any(
        re.fullmatch("api_?secret", str(one), re.IGNORECASE) for one in container
    )


def _named(container: Any, key: Any, path: str, *, inside: bool) -> Iterator[str]:
    name = path.rpartition(".")[2].rpartition(":")[2] or path
    secret = inside or _CREDENTIAL.search(name) is not None
    try:
        value = container[key]
    except UnknownValueError:
        if secret:
            yield path
        return
    if secret and isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
        yield path
    elif not (isinstance(value, Mapping) and set(value) == {"secure"}):
        yield from _credentials(value, path, inside=secret)


RULES = (
    Rule(
        "no-plain-secret",
        "Credentials are encrypted in the stack's configuration and are no inputs.",
        {STACK, *DYNAMIC},
        _no_plain_secret,
        f"Set the value again with `{_HOW}`, then change it where it is used: it was readable.",
        CRITICAL,
    ),
)
