"""The rules on what a stack declares; each reads plain inputs, and one that cannot see its value refuses."""

from __future__ import annotations

from rules import (
    aws_balancer,
    aws_identity,
    aws_instances,
    aws_network,
    colours,
    ending,
    kubernetes_network,
    kubernetes_pods,
    kubernetes_secrets,
    listeners,
    secrets,
    steps,
    tags,
    versions,
)
from rules.base import Rule, StackRule

CONCERNS = (
    versions,
    colours,
    steps,
    ending,
    listeners,
    secrets,
    tags,
    kubernetes_pods,
    kubernetes_network,
    kubernetes_secrets,
    aws_instances,
    aws_network,
    aws_balancer,
    aws_identity,
)
"""One module for each concern; its first sentence heads its part of the README."""
RULES: tuple[Rule | StackRule, ...] = tuple(rule for concern in CONCERNS for rule in concern.RULES)
"""All rules of the pack."""
