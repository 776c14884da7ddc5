"""Builds the pack and nothing else: making it starts its server, so nothing imports this file."""

from __future__ import annotations

from pulumi_policy import EnforcementLevel, PolicyPack
from rules import RULES
from rules.stack_config import listen

listen()
PolicyPack(
    name="emqx-upgrade", enforcement_level=EnforcementLevel.MANDATORY, policies=[rule.policy() for rule in RULES]
)
