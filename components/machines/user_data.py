"""What an instance is given when it is made: a script for every boot and the few words that it begins with.

The rule: no secret and no version is in it. It never changes for an instance that there is: whatever may change lies in Parameter Store.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from components.machines.parameters import HOME
from components.routers.haproxy.by_command import DIRECTORY, PROGRAM
from components.value import Value

AT_EACH_BOOT = "/var/lib/cloud/scripts/per-boot/10-emqx-upgrade"
FACTS, BALANCER_FACTS = "/etc/emqx-upgrade/node", "/etc/emqx-upgrade/balancer"
BALANCER = "/usr/local/lib/emqx-upgrade/balancer.sh"
UNIT = "/etc/systemd/system/haproxy.service.d/50-emqx-upgrade.conf"
LIMIT_BYTES = 16_384
_HERE = Path(__file__).parent
_FAR_END = _HERE.parent / "routers" / "haproxy" / "far_end.py"
_SHARED = ". ./shared.sh\n"


class Boot(Value):
    """What a node has to know to begin: where its parameters are, its number, its volume and the name of the device."""

    region: str
    parameters: str
    node: int
    volume: str
    device: str
    wait_seconds: int

    def words(self) -> str:
        """As the script reads them."""
        return _words({**self.model_dump(), "data": HOME})


class BalancerBoot(Value):
    """What an instance of the balancer has to know to begin: where its parameters are, and the table with the share."""

    region: str
    parameters: str
    table: str
    wait_seconds: int


def script(name: str) -> str:
    """A script with what it shares with the others in its place."""
    return (_HERE / name).read_text(encoding="utf-8").replace(_SHARED, _file("shared.sh"))


def user_data(boot: Boot) -> str:
    """A document of cloud-init; JSON, which is YAML too."""
    return _document({FACTS: ("0644", boot.words()), AT_EACH_BOOT: ("0755", script("boot.sh"))})


def balancer_user_data(boot: BalancerBoot) -> str:
    """The same for an instance of the balancer."""
    each_boot = f"#!/bin/sh\nexec {BALANCER}\n"
    return _document(
        {
            BALANCER_FACTS: ("0644", _words(boot.model_dump())),
            BALANCER: ("0755", script("balancer.sh")),
            PROGRAM: ("0644", _FAR_END.read_text(encoding="utf-8")),
            UNIT: ("0644", _unit()),
            AT_EACH_BOOT: ("0755", each_boot),
        }
    )


def _unit() -> str:
    """HAProxy as its own user, with a master that can be asked, and never with a share of before."""
    lines = [
        "[Unit]",
        "StartLimitIntervalSec=0",
        "[Service]",
        "User=haproxy",
        "Group=haproxy",
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
        "LimitNOFILE=1048576",
        "TimeoutStartSec=900",
        "Restart=always",
        "RestartSec=2",
        "ExecStartPre=",
        f"ExecStartPre=+{BALANCER} share",
        "ExecStart=",
        f"ExecStart=/usr/sbin/haproxy -Ws -S {DIRECTORY}/master.sock,mode,600 -f {DIRECTORY}/haproxy.cfg",
        "ExecReload=",
        "ExecReload=/bin/kill -USR2 $MAINPID",
    ]
    return "\n".join([*lines, ""])


def _document(files: Mapping[str, tuple[str, str]]) -> str:
    written = [{"path": path, "permissions": mode, "content": text} for path, (mode, text) in files.items()]
    return "#cloud-config\n" + json.dumps({"write_files": written}, indent=1) + "\n"


def _words(values: Mapping[str, object]) -> str:
    return "".join(f"{key.upper()}='{value}'\n" for key, value in values.items())


def _file(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
