"""What our things in an account are called; public, since they stand in the state of every stack, and since whoever is on call looks for them."""

from __future__ import annotations

BALANCER = "balancer"
"""What is of a tier of HAProxy has it where a colour's things have the colour."""
TIER = "emqx-upgrade:balancer"
"""The tag by which its instances are found; its value is where the stack's names begin."""


def prefix(name: str, environment: str) -> str:
    """Where every name of a stack begins: ``emqx-prod``."""
    return f"{name}-{environment}"


def table(prefix: str) -> str:
    """The table of what a cutover remembers."""
    return f"{prefix}-cutover"


def colour(prefix: str, colour: str) -> str:
    """Whatever is of one colour."""
    return f"{prefix}-{colour}"


def node(prefix: str, colour: str, number: int) -> str:
    """An instance, its volume and its alarms."""
    return f"{prefix}-{colour}-{number}"


def parameters(prefix: str, colour: str) -> str:
    """Below which the parameters of a colour lie."""
    return f"/{prefix}/{colour}"
