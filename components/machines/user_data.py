"""What an instance is given when it is made: a script for every boot and the few words that it begins with.

The rule: no secret and no version is in it. It never changes for an instance that there is: whatever may change lies in Parameter Store.
"""

from __future__ import annotations

import json
from pathlib import Path

from components.machines.parameters import HOME
from components.value import Value

SCRIPT = Path(__file__).with_name("boot.sh")
AT_EACH_BOOT = "/var/lib/cloud/scripts/per-boot/10-emqx-upgrade"
FACTS = "/etc/emqx-upgrade/node"
LIMIT_BYTES = 16_384


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
        values = {**self.model_dump(), "data": HOME}
        return "".join(f"{key.upper()}='{value}'\n" for key, value in values.items())


def user_data(boot: Boot) -> str:
    """A document of cloud-init; JSON, which is YAML too."""
    files = [
        {"path": FACTS, "permissions": "0644", "content": boot.words()},
        {"path": AT_EACH_BOOT, "permissions": "0755", "content": SCRIPT.read_text(encoding="utf-8")},
    ]
    return "#cloud-config\n" + json.dumps({"write_files": files}, indent=1) + "\n"
