"""A stack told to Pulumi's mocks, and its program run once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pulumi
import pytest

from components.intent import load
from components.upgrade import BlueGreen
from tests.program.conftest import Recorder

VERSIONS = {"blue": "5.8.6", "green": "5.8.9"}
KEY = {"apiKey": "key", "apiSecret": "secret", "username": "admin", "password": "password"}


def tell(live: str, clusters: Mapping[str, Any], key: Mapping[str, str] = KEY, **more: Any) -> None:
    """The stack's config: production's, with the same credentials for each colour; ``more`` are further keys of it."""
    values = {"clusters": clusters, "credentials": dict.fromkeys(clusters, key), **more}
    told = {"live": live, "environment": "prod"} | {name: json.dumps(value) for name, value in values.items()}
    pulumi.runtime.set_all_config({f"emqx:{name}": value for name, value in told.items()})


@pulumi.runtime.test
def declare() -> None:
    """Run the program on what was told."""
    certificates = pulumi.runtime.config.get_config("emqx:certificates")
    BlueGreen("fleet", load(pulumi.Config("emqx").get, stack="test", certificates=certificates))


def of_type(recorder: Recorder, word: str) -> dict[str, dict[str, Any]]:
    """The inputs of what was registered of the type, by name."""
    return {one.name: one.inputs for one in recorder.seen if one.type.endswith(f":{word}")}


def protected(monkeypatch: pytest.MonkeyPatch, module: ModuleType, *words: str) -> dict[str, bool | None]:
    """Whether each resource of these types of the module is protected, by name, once it is declared: no mock hears of that."""
    kept: dict[str, bool | None] = {}

    def watched(kind: Any) -> Any:
        def made(name: str, /, *, opts: pulumi.ResourceOptions, **more: Any) -> Any:
            kept[name] = opts.protect
            return kind(name, opts=opts, **more)

        return made

    for word in words:
        monkeypatch.setattr(module, word, watched(getattr(module, word)))
    return kept
