"""The file of a stack, for somebody who only looks or gives an order: its settings, not held against the world, and its balancer.

The rule: nothing is asked and nothing is touched; what cannot be read is refused in one line.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from components.balancer import BALANCERS
from components.emqx.errors import BadInput, Refused
from components.emqx.models import BalancerHandle
from components.intent import declared, replace_steps
from components.settings import KEYS, Settings


def settings_of(stack: str) -> Settings:
    """What the stack's file says.

    Raises:
        Refused: there is none.
        BadInput: it is no stack of ours.

    """
    place = Path("stacks") / f"Pulumi.{stack}.yaml"
    try:
        found = yaml.safe_load(place.read_text(encoding="utf-8"))
    except OSError as missing:
        todo = "name a stack that has a file, in the directory of the project"
        raise Refused("reading the stack", node=str(place), seen=missing.strerror or "", todo=todo) from None
    config = (found or {}).get("config") or {}
    raw = {key: value for key in KEYS if (value := config.get(f"emqx:{key}")) is not None}
    raw = {"workDirectory": f".emqx/{stack}", "environment": stack, **raw}
    problems = replace_steps(raw)
    try:
        settings = declared(raw)
    except ValidationError as invalid:
        raise BadInput(str(place), seen=f"{len(invalid.errors())} to correct", todo="run `pulumi preview`") from None
    if problems:
        raise BadInput(str(place), seen=f"{len(problems)} to correct", todo="run `pulumi preview`")
    return settings


def balancer_of(settings: Settings, stack: str) -> BalancerHandle:
    """Where the stack's cutovers are remembered.

    Raises:
        Refused: its balancer cannot be found from here.

    """
    handle = BALANCERS[settings.balancer.target].observed(settings)
    if handle is None:
        todo = "run it where the balancer is reached (target local: on its own machine, in the project's directory)"
        raise Refused(
            "finding the ledger", node=f"the balancer of stack {stack}", seen="it does not run here", todo=todo
        )
    return handle
