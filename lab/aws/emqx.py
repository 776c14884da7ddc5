"""What EMQX's service is in a machine: a lab node at the machine's address, with the files that the machine has.

The rule: what EMQX refuses ends the service with EMQX's reason on the console.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from lab.kubernetes.emqx import FIRST_SECONDS, WrongError, configuration, held_by, on_node, settings_of
from lab.node.lifeline import live

CONF, DATA, DOOR = Path("/etc/emqx/emqx.conf"), Path("/var/lib/emqx"), "/run/lab/ground.sock"


def main() -> int:
    """A node until SIGTERM; 1 with a line where it cannot start."""
    pairs = (line.partition("=") for line in os.environ.pop("LAB_MOUNTS").splitlines())
    mounts = {at: source for at, _, source in pairs}
    try:
        found = configuration(CONF.read_text(encoding="utf-8") if CONF.exists() else "", os.environ)
        file = found.get("api_key", {}).get("bootstrap_file", "")
        if file:
            os.environ["EMQX_API_KEY__BOOTSTRAP_FILE"] = str(on_node(Path(file), mounts))
        key = found.get("license", {}).get("key")
        if key:
            os.environ.setdefault("EMQX_LICENSE__KEY", str(key))
        dashboard = found.get("dashboard", {})
        for name, variable in (("default_username", "USERNAME"), ("default_password", "PASSWORD")):
            if name in dashboard:
                os.environ.setdefault(f"EMQX_DASHBOARD__DEFAULT_{variable}", str(dashboard[name]))
        data = on_node(DATA, mounts)
        settings = settings_of(found, os.environ, os.environ["LAB_ADDRESS"], data)
        control, line = held_by(_door(), settings.cookie)
        print(f"EMQX {settings.version} is running now!", flush=True)
        with line:
            return live(settings, control, only=True)
    except (WrongError, OSError) as error:
        print(f"[error] {error}", flush=True)
        return 1


def _door() -> socket.socket:
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(FIRST_SECONDS)
    line.connect(DOOR)
    return line


if __name__ == "__main__":
    sys.exit(main())
