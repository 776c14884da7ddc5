"""The issue's config with changes, read or refused, and the files of a balancer; for the tests of the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.emqx.errors import BadInput
from components.intent import load
from components.settings import Settings

FROM_THE_ISSUE = """
live: green
clusters:
  blue:  { target: local, version: 5.8.6, nodes: 3 }
  green: { target: local, version: 5.8.8, nodes: 3 }
cutover:
  strategy: two-cluster
  initialDelaySeconds: 0
  budgetPerSecond: 200
  evacuation: { waitHealthCheckSeconds: 1, waitTakeoverSeconds: 1, connEvictRate: 200, sessEvictRate: 200 }
  steps: [ {share: 10}, {hold: 5}, {share: 50}, {share: 100} ]
  gates: { unknownSeconds: 20 }
  soakSeconds: 0
"""
NODE = {"name": "emqx@10.0.1.1", "api": "http://10.0.1.1:18083", "mqtt": "10.0.1.1:1883"}


def config(**changes: Any) -> dict[str, Any]:
    """The issue's config with dotted paths (``__`` for the dot) set to other values; None removes."""
    raw: dict[str, Any] = yaml.safe_load(FROM_THE_ISSUE)
    for path, value in changes.items():
        *way, last = path.split("__")
        inner = raw
        for part in way:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return raw


def read(raw: dict[str, Any]) -> Settings:
    return load(raw.get, stack="dev", names=raw)


def refusal(raw: dict[str, Any]) -> list[str]:
    with pytest.raises(BadInput) as refused:
        read(raw)
    return str(refused.value).splitlines()


def balancer(work_directory: Path, share: int, *memory: str) -> None:
    """The files of a balancer that gives green so many parts of 10,000."""
    directory = work_directory / "balancer"
    directory.mkdir(exist_ok=True)
    (directory / "share.map").write_text(f"green {share}\n")
    (directory / "memory.map").write_text("".join(f"{line}\n" for line in memory))
