"""A listener as its connections see it: the terms on which they come in, and who is in.

The rule: nobody comes in once it is closed, whatever the event loop had accepted before.
"""

from __future__ import annotations

from typing import Any

from components.system.address import port_of
from lab.node.broker.member import Member
from lab.node.broker.session import Connection
from lab.node.rules.limits import count


class Door:
    """A listener without its socket.

    Args:
        node: whose address it uses, whatever host `bind` names (docs/emqx/README.md#the-test-bed).
        listener_id: ``tcp:default``.
        config: its object of the `listeners` root; `bind`, `proxy_protocol`, `max_connections`, `enable_authn`, `mountpoint`, `websocket.mqtt_path` count here.

    Attributes:
        port: as configured; a listener on port 0 puts the real one here.
        channels: the connections that came through it and are still there.

    """

    def __init__(self, node: Member, listener_id: str, config: dict[str, Any]) -> None:
        self.node, self.id = node, listener_id
        self.port = port_of(config.get("bind", "1883"))
        self.proxy_protocol = bool(config.get("proxy_protocol", False))
        self.enable_authn = config.get("enable_authn", True) is not False
        self.max_connections = count(config.get("max_connections", "infinity"))
        self.mountpoint = str(config.get("mountpoint", ""))
        self.path = str(config.get("websocket", {}).get("mqtt_path", "/mqtt"))
        self.channels: set[Connection] = set()
        self.closed = False

    def admit(self, channel: Connection) -> bool:
        """A connection came; False when it must go again: there are too many, or it was accepted as the listener closed."""
        if self.closed or len(self.channels) >= self.max_connections:
            return False
        self.channels.add(channel)
        return True

    def dismiss(self, channel: Connection) -> bool:
        """A connection is gone; False when it was not let in."""
        admitted = channel in self.channels
        self.channels.discard(channel)
        return admitted
