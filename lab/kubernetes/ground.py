"""A ground without nodes of its own, to which the life lines in pods bring theirs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lab.node.api.host import Settings
from lab.node.lifeline import live


def main() -> int:
    """Hold it up until SIGTERM."""
    settings = Settings(
        directory=Path(sys.argv[1]), name="emqxcl", nodes=0, network=sys.argv[2], cookie=os.environ["LAB_COOKIE"]
    )
    return live(settings, None)


if __name__ == "__main__":
    sys.exit(main())
