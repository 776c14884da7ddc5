"""What a pack can see of the stack's configuration: every key with its value, and which keys the engine holds to be secret.

The rule: values are looked at and never kept in a message. The engine (3.259) tells an analyzer the configuration in
``ConfigureStack``, and pulumi_policy (1.21) throws it away, so ``listen`` keeps it; a language host that starts the pack by
``RunPlugin`` passes no PULUMI_CONFIG. An object of which one value is encrypted counts as secret as a whole: what is left in clear beside
it is seen only in the stack's file, and where that is not found such an object is refused.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pulumi_policy import policy as machinery


@dataclass(frozen=True)
class StackConfig:
    """The configuration of one stack; ``document`` is the ``config`` of its file, None where that was not found."""

    values: Mapping[str, Any]
    secret_keys: Collection[str]
    document: Mapping[str, Any] | None = None


class _Heard:
    """The last configuration that the engine told; None until it did."""

    config: StackConfig | None = None


def heard() -> StackConfig | None:
    """The stack's configuration, None when the engine has not told it."""
    return _Heard.config


def hear(config: StackConfig | None) -> None:
    """Take this for the stack's configuration."""
    _Heard.config = config


def listen() -> None:
    """Keep what the engine tells in ``ConfigureStack``; call it before the pack is made."""
    servicer = machinery._PolicyAnalyzerServicer  # noqa: SLF001  -- the SDK hands the configuration to nobody
    original = servicer.ConfigureStack

    def configure_stack(self: Any, request: Any, context: Any) -> Any:
        values = {key: decoded(value) for key, value in request.config.items()}
        hear(StackConfig(values, frozenset(request.config_secret_keys), stack_file(request.stack)))
        return original(self, request, context)

    servicer.ConfigureStack = configure_stack  # type: ignore[method-assign, assignment]  # on purpose


def decoded(text: str) -> Any:
    """Objects arrive as JSON text."""
    try:
        return json.loads(text) if text.lstrip()[:1] in {"{", "["} else text
    except ValueError:
        return text


def stack_file(stack: str) -> Mapping[str, Any] | None:
    """The ``config`` of ``stacks/Pulumi.<stack>.yaml`` where the engine was started, or beside the pack; None without one."""
    beside = Path(os.path.abspath(sys.argv[-1])).parent  # noqa: PTH100  -- a linked pack belongs to the project it is linked into
    for project in (Path(os.environ.get("PWD", os.curdir)), Path.cwd(), beside):
        path = project / "stacks" / f"Pulumi.{Path(stack).name}.yaml"
        if path.is_file():
            found = yaml.safe_load(path.read_text(encoding="utf-8"))
            return dict(found.get("config") or {}) if isinstance(found, dict) else {}
    return None
