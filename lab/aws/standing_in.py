"""Which AWS plugin the engine finds: Pulumi's own where it is installed, else the one of the lab.

The rule: the lab's is never put where Pulumi keeps plugins; it is on the PATH of this run alone.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from lab.aws.plugin.served import VERSION
from lab.lasting import ROOT

NAME = "pulumi-resource-aws"


def official(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The directory of Pulumi's own plugin, if somebody has installed it for themselves."""
    home = Path(environment.get("PULUMI_HOME") or Path(environment.get("HOME", "/")) / ".pulumi")
    found = home / "plugins" / f"resource-aws-v{VERSION}"
    return found if (found / NAME).exists() else None


def provided(home: Path, commands: Path) -> str:
    """Put a plugin where the engine of this Pulumi home finds it, or into ``commands``, which is to be on PATH; says which one it is."""
    found = official()
    if found is not None:
        place = home / "plugins" / found.name
        place.mkdir(parents=True, exist_ok=True)
        for one in found.iterdir():
            (place / one.name).unlink(missing_ok=True)
            (place / one.name).symlink_to(one)
        return f"Pulumi's AWS plugin {VERSION}"
    commands.mkdir(parents=True, exist_ok=True)
    command = commands / NAME
    command.write_text(
        f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -u -m lab.aws.plugin "$@"\n',
        encoding="utf-8",
    )
    command.chmod(0o755)
    return f"the lab's stand-in for Pulumi's AWS plugin {VERSION}, which is not installed here: it serves the types of this program only"
