"""Colours and balancer held against each other by where they are: pods are reached by pods, and a Service leads to pods of ours only."""

from __future__ import annotations

from collections.abc import Iterator

from components.balancer import by_name
from components.cutover.steps import Problem
from components.manifests.entrance import TARGETS
from components.settings import Settings
from components.strategies import STRATEGIES
from components.system.address import parsed
from components.targets import AWS, BALANCERS_ON_AWS, KUBERNETES, ROUTE53

SERVICE = "service"
BY_A_NAME = ("two-cluster",)
"""The strategies that are offered where a balancer is a name."""


def problems(settings: Settings) -> list[Problem]:
    """Pods are reached by a balancer that is pods too; nodes of this machine are not."""
    balancer = settings.balancer.target
    if balancer in BALANCERS_ON_AWS:
        return list(_on_aws(settings))
    if balancer == SERVICE:
        return [*_behind_a_service(settings)]
    inside = {
        colour: cluster.target == KUBERNETES or getattr(cluster, "kubernetes", None) is not None
        for colour, cluster in settings.clusters.items()
    }
    if balancer == KUBERNETES:
        return [
            Problem(
                f"emqx:clusters.{colour}.target", settings.clusters[colour].target, "not local: the balancer is pods"
            )
            for colour in sorted(inside)
            if settings.clusters[colour].target == "local"
        ]
    return (
        [Problem("emqx:balancer.target", balancer, f"{KUBERNETES}, as the nodes are")] if any(inside.values()) else []
    )


def _on_aws(settings: Settings) -> Iterator[Problem]:
    """Instances, and somebody's own nodes by their addresses; only what was run there from end to end."""
    word, front, balancer = settings.cutover.strategy, settings.balancer.aws, settings.balancer.target
    if balancer == ROUTE53 and word not in BY_A_NAME:
        why = (
            "a name keeps nobody from a single node" if STRATEGIES[word].in_place else f"{word} is not yet built there"
        )
        allowed = f"{', '.join(BY_A_NAME)} behind {balancer}; {why}"
        yield Problem("emqx:cutover.strategy", word, allowed)
    yield from _of_others(settings)
    if balancer == ROUTE53:
        yield from by_name.problems(settings)
        return
    if not front.subnets:
        yield Problem("emqx:balancer.aws.subnets", "none", "the subnets of its addresses, in the nodes' VPC")
    for colour, cluster in sorted(settings.clusters.items()):
        if cluster.target not in {"aws", "external"}:
            allowed = "aws or external: the balancer is in a VPC, and reaches nodes by their private addresses"
            yield Problem(f"emqx:clusters.{colour}.target", cluster.target, allowed)
        if balancer == AWS and not cluster.proxy_protocol:
            allowed = "true: clients are found at the balancer by their own addresses, which nodes learn by the PROXY header alone"
            yield Problem(f"emqx:clusters.{colour}.proxyProtocol", "false", allowed)
        region = getattr(cluster, "region", front.region)
        if region != front.region:
            allowed = f"{front.region}, as emqx:balancer.aws.region has it: a balancer and its nodes are in one VPC"
            yield Problem(f"emqx:clusters.{colour}.region", region, allowed)
        nodes = getattr(cluster, "nodes", ())
        for index, node in enumerate(nodes if isinstance(nodes, tuple) and balancer != AWS else ()):
            if parsed(node.mqtt).is_name:
                allowed = "ADDRESS:PORT: a target group knows private addresses, and no names"
                yield Problem(f"emqx:clusters.{colour}.nodes[{index}].mqtt", node.mqtt, allowed)


def _of_others(settings: Settings) -> Iterator[Problem]:
    """Settings of another balancer on AWS."""
    front, balancer = settings.balancer.aws, settings.balancer.target
    if balancer != AWS and "instances" in front.model_fields_set:
        yield Problem("emqx:balancer.aws.instances", "given", f"no value: {balancer} has no instances of its own")
    if balancer != ROUTE53 and front.records is not None:
        yield Problem("emqx:balancer.aws.records", "given", f"no value: {balancer} is no name")


def _behind_a_service(settings: Settings) -> Iterator[Problem]:
    """It leads to the pods of StatefulSets of ours in its own namespace; nobody writes a PROXY header, ends TLS, or keeps one node empty while it is upgraded."""
    pods, strategy = settings.balancer.kubernetes, settings.cutover.strategy
    for colour, cluster in sorted(settings.clusters.items()):
        path = f"emqx:clusters.{colour}"
        if cluster.target != KUBERNETES:
            yield Problem(f"{path}.target", cluster.target, f"{KUBERNETES}: a Service leads to pods of ours")
        elif (cluster.namespace, cluster.name) != (pods.namespace, pods.name):
            allowed = f"namespace {pods.namespace} and name {pods.name}, as emqx:balancer.kubernetes has them"
            yield Problem(f"{path}.namespace", cluster.namespace, allowed)
        if cluster.proxy_protocol:
            yield Problem(f"{path}.proxyProtocol", "true", "false: nothing in front of the nodes writes a PROXY header")
    if STRATEGIES[strategy].in_place:
        allowed = "a strategy with two colours: a Service cannot keep one node empty; balancer.target kubernetes can"
        yield Problem("emqx:cutover.strategy", strategy, allowed)
    for index, one in enumerate(settings.balancer.listeners):
        if one.protocol not in TARGETS:
            allowed = f"{', '.join(TARGETS)}: a Service ends no TLS; the nodes' own listeners can (config, podTemplate)"
            yield Problem(f"emqx:balancer.listeners[{index}].protocol", one.protocol, allowed)
    if pods.takes:
        yield Problem("emqx:balancer.kubernetes.takes", "given", "no value: there are no pods that it could lead to")
