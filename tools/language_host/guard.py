"""Ends a program when its parent is gone: a SIGKILL of the language host must leave nothing behind.

`guard.py MODULE ARGUMENTS` runs a module as `python -m MODULE ARGUMENTS` would, guarded.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time

PARENT_SECONDS = 0.5


def end_with_parent() -> None:
    """Watch the parent from a thread of its own; leave at once when it is gone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    end_with_parent()
    del sys.argv[0], sys.path[0]
    sys.path.insert(0, "")
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
