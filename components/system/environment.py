"""What a process that we start gets of our own environment.

The rule: only what a program needs to run, named here; an update's environment holds Pulumi's passphrase and a CI's tokens, and whoever may
look at a process of ours would read them there.
"""

from __future__ import annotations

from collections.abc import Mapping

KEPT = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "XDG_CACHE_HOME",
)
"""Where programs, libraries, modules and temporary files are, whose they are, and how text and time are written."""


def kept(ours: Mapping[str, str], *more: str) -> dict[str, str]:
    """The part of our environment that a child gets; ``more`` are names that this kind of child needs too."""
    return {name: ours[name] for name in (*KEPT, *more) if name in ours}
