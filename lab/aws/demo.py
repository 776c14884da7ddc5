"""The demo's stage on an account of its own.

The rule: a person may look on with any client of AWS while it runs; the account ends with the demo.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from components.strategies import STRATEGIES
from lab.aws.cloud import Cloud
from lab.aws.stage import AwsStage, at
from lab.stage import CALM, Scene


@contextlib.contextmanager
def on_instances(directory: Path, scene: Scene) -> Iterator[AwsStage]:
    """A stage whose nodes are instances; of Enterprise where the strategy needs nodes that evacuate, since the balancer cannot close a client's connection."""
    calm = replace(scene, gates={**CALM, **scene.gates})
    closes = scene.balancer.get("target") == "aws"
    if scene.edition == "ce" and not closes and "kick" not in STRATEGIES[scene.strategy].movers:
        print(f"== Enterprise nodes: behind this balancer nothing else does {scene.strategy}", flush=True)
        calm = replace(calm, edition="ee")
    print("== an AWS account starts", flush=True)
    cloud = Cloud.of(directory / "account", os.getpid())
    try:
        with at(cloud, directory / "stage") as plugin:
            print(f"== export AWS_ENDPOINT_URL={cloud.place.endpoint}\n== {plugin}", flush=True)
            with AwsStage(directory / "stage", calm, cloud, "demo") as stage:
                yield stage
    finally:
        cloud.end()
