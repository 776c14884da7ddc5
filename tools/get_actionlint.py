"""Gets actionlint, which judges the workflows, built from its Go module; standard library only.

The rule: it is needed by a test and by `make lint-workflows` alone, so nothing else waits for it.
"""

from __future__ import annotations

import sys

import go_build

ACTIONLINT = go_build.Program(
    name="actionlint",
    binary="actionlint",
    module=go_build.TOOLS / "actionlint",
    pinned="github.com/rhysd/actionlint",
    package="github.com/rhysd/actionlint/cmd/actionlint",
    flags="-s -w",
    minutes=1,
    instead="put an actionlint",
)


def main() -> int:
    """Print where it is; 0, or 1 with one line that says what is missing."""
    try:
        print(ACTIONLINT.get("the workflows are linted"))
    except go_build.Missing as missing:
        ACTIONLINT.say(str(missing))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
