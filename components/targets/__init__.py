"""Where clusters live: the word in the stack file, and what stands for it; a target is one module and one line here."""

from __future__ import annotations

from components.targets.base import Target
from components.targets.external import External
from components.targets.local import Local

TARGETS: dict[str, Target] = {"local": Local(), "external": External()}
