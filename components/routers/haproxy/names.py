"""Names in HAProxy and what they stand for: a node as a server and back, since HAProxy allows letters, digits and ``-_.:`` only; a colour's backends."""

from __future__ import annotations

from urllib.parse import quote, unquote

from components.cutover.words import COLOURS, Colour

_WEBSOCKET = "_ws"


def server_name(node: str) -> str:
    """The name of a node as a server: ``emqx:40127.0.1.1``."""
    return quote(node, safe="").replace("~", "%7E").replace("%", ":")


def node_name(server: str) -> str:
    """The node's own name again."""
    return unquote(server.replace(":", "%"))


def backend(colour: Colour, *, websocket: bool = False) -> str:
    """The backend of a colour; that for WebSocket has the same servers, which follow those of the first in health and state."""
    return f"{colour}{_WEBSOCKET}" if websocket else colour


def colour_of(name: str) -> Colour | None:
    """The colour of a backend; None of what is none."""
    return next((one for one in COLOURS if name in {backend(one), backend(one, websocket=True)}), None)
