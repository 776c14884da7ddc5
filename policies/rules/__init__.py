"""The rules on what a stack declares; each reads plain inputs, and one that cannot see its value refuses."""

from __future__ import annotations

from rules.colours import capacity, no_downgrade, old_colour_declared
from rules.secrets import no_plain_secret
from rules.steps import steps_rise

POLICIES = (no_downgrade, old_colour_declared, steps_rise, capacity, no_plain_secret)
"""All policies of the pack."""
