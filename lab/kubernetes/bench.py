"""`python -m lab bench-kubernetes`: the figures of an upgrade on Kubernetes at two sizes, and what a preview costs there.

The rule: figures are ratios within one run; one that misses its bound ends the command with status 1.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from lab.bench import Measured, figures, judge, told, unclean
from lab.bench_preview import best
from lab.kubernetes.demo import in_pods
from lab.kubernetes.requests import KINDS, by_kind, requests
from lab.kubernetes.stage import PodStage, link_plugin
from lab.stage import Scene, told_in_lines
from lab.workspace import Workspace

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
MOST_RATIO, MOST_TIMES = 1.15, 2.0
MOST_GROWTH = 1.1
"""Of the requests, when the clients are four times as many and the budget too: the time that it takes is the same then."""
BARE_NAMESPACE = "bare"
PROJECT = "name: bare\nruntime: {name: python, options: {virtualenv: .venv}}\nstackConfigDir: stacks\n"
SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key by which Pulumi knows a value that is encrypted."""
BARE = '''"""The resources of ours, of which those that are no objects do nothing."""
import json
import re
import pulumi
import pulumi_kubernetes as k8s
from pulumi import dynamic


class Nothing(dynamic.ResourceProvider):
    serialize_as_secret_always = False

    def create(self, props):
        return dynamic.CreateResult("nothing", props)


class Link(dynamic.Resource):
    pass


provider = k8s.Provider("kubernetes", enable_config_map_mutable=True, enable_secret_mutable=True)
for number, (token, inputs) in enumerate(json.loads({objects!r})):
    group, kind = token.split(":")[1:]
    module = k8s
    for part in (group.split("/")[0].split(".")[0], group.split("/")[1]):
        module = getattr(module, part)
    inputs = {{re.sub("([A-Z])", lambda big: "_" + big[1].lower(), name): value for name, value in inputs.items()}}
    getattr(module, kind)(f"object-{{number}}", **inputs, opts=pulumi.ResourceOptions(provider=provider))
for number, inputs in enumerate(json.loads({links!r})):
    Link(Nothing(), f"link-{{number}}", inputs)
'''


class Cost(NamedTuple):
    """One cutover, what it asked of the API server, and the seconds of the quickest previews: of a bare program and ours."""

    measured: Measured
    asked: Counter[str]
    bare_seconds: float
    seconds: float

    @property
    def times(self) -> float:
        """Ours in bare ones."""
        return self.seconds / self.bare_seconds


@app.command()
def bench(
    small: Annotated[int, typer.Option(min=1)] = 250,
    clients: Annotated[int, typer.Option(min=1)] = 1_000,
    seconds: Annotated[float, typer.Option(min=0.1, help="clients by budget, which is how long moving takes")] = 20.0,
) -> None:
    """Two upgrades of different size, and the table."""
    if small >= clients:
        raise typer.BadParameter(f"{small} is no smaller than {clients}", param_hint="--small")
    with told_in_lines("bench-kubernetes"):
        found = [measure(one, max(1, round(one / seconds))) for one in (small, clients)]
    console = Console(width=120)
    console.print(figures([one.measured for one in found]))
    console.print(_asked(found))
    judge(console, missed(*found))


def missed(less: Cost, more: Cost) -> list[str]:
    """The bounds that do not hold; ratio and preview are judged at the larger size."""
    ratio, growth = more.measured.report.ratio, more.asked.total() / less.asked.total()
    return [
        *([f"ratio {ratio} is over {MOST_RATIO}"] if ratio is None or ratio > MOST_RATIO else []),
        *([f"a preview is {more.times:.2f} bare ones"] if more.times > MOST_TIMES else []),
        *([f"requests grow {growth:.2f} times"] if growth > MOST_GROWTH else []),
        *unclean((less.measured, more.measured)),
    ]


def measure(clients: int, rate: int) -> Cost:
    """One upgrade of three nodes to three."""
    scene = Scene(clients=clients, budget_per_second=rate, edition="ce", publish_interval_seconds=10.0)
    with tempfile.TemporaryDirectory(prefix="emqx-bench-") as directory, in_pods(Path(directory), scene) as stage:
        stage.build_blue()
        stage.start_fleet()
        stage.change()
        before = len(requests(stage.cluster.directory))
        stage.workspace.up(seconds=scene.up_seconds).good()
        asked = by_kind(requests(stage.cluster.directory)[before:])
        with bare_program(stage, Path(directory)) as bare:
            seconds = best(bare, stage.workspace)
        return Cost(Measured(clients, told(stage), {}), asked, *seconds)


@contextlib.contextmanager
def bare_program(stage: PodStage, directory: Path) -> Iterator[Workspace]:
    """A program that has declared the same resources: the same objects, without any pods, and dynamic resources with the same inputs that do nothing."""
    stage.cluster.make_namespace(BARE_NAMESPACE)
    source = directory / "source"
    source.mkdir()
    (source / "Pulumi.yaml").write_text(PROJECT)
    state = stage.workspace.export_state()
    program = BARE.format(objects=json.dumps(objects(state)), links=json.dumps(links(state)))
    (source / "__main__.py").write_text(program)
    bare = Workspace.create(directory / "bare", source)
    try:
        link_plugin(bare.directory)
        bare.up().good()
        yield bare
    finally:
        bare.close()


def objects(state: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The Kubernetes objects of a state with their inputs, in a namespace of their own."""
    found = []
    for one in state["deployment"]["resources"]:
        if not one["type"].startswith("kubernetes:"):
            continue
        inputs = {key: value for key, value in one["inputs"].items() if key not in {"apiVersion", "kind"}}
        if "data" in inputs:
            # a secret's are encrypted
            inputs["data"] = {"key": "dmFsdWU="}
        if "replicas" in inputs.get("spec", {}):
            inputs["spec"] = {**inputs["spec"], "replicas": 0}
        found.append((one["type"], {**inputs, "metadata": {**inputs["metadata"], "namespace": BARE_NAMESPACE}}))
    return found


def links(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The inputs of the dynamic resources of a state."""
    dynamic = (one for one in state["deployment"]["resources"] if one["type"].startswith("pulumi-python:dynamic"))
    return [{key: _shown(value) for key, value in one["inputs"].items() if key != "__provider"} for one in dynamic]


def _shown(value: Any) -> Any:
    """Without what is encrypted."""
    if isinstance(value, Mapping):
        return "a secret" if SIGNATURE in value else {key: _shown(one) for key, one in value.items()}
    return [_shown(one) for one in value] if isinstance(value, list) else value


def _asked(found: Sequence[Cost]) -> Table:
    table = Table("clients", "requests to the API server", *KINDS, "preview s", "bare s", "times")
    for one in found:
        seconds = f"{one.seconds:.2f}", f"{one.bare_seconds:.2f}", f"{one.times:.2f}"
        kinds = (str(one.asked[kind]) for kind in KINDS)
        table.add_row(str(one.measured.clients), str(one.asked.total()), *kinds, *seconds)
    return table
