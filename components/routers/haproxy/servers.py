"""The state of a server as HAProxy prints and keeps it; pure.

The rule: HAProxy is told by its own words, and what it says is read from ``show servers state``, whose bits are those that a reload hands on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from components.cutover.words import COLOURS, Colour
from components.routers.base import ServerState
from components.routers.haproxy.names import node_name, server_name

_MAINT, _DRAIN = 0x01 | 0x04, 0x08
"""``SRV_ADMF_FMAINT | SRV_ADMF_CMAINT``, ``SRV_ADMF_FDRAIN`` of HAProxy's management guide."""
_HEAD = (
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status "
    "srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl "
    "srv_check_port srv_check_addr srv_agent_addr srv_agent_port\n"
)
_SERVER = re.compile(r"^  server (\S+) \S*:(\d+) ", re.MULTILINE)
_READY = "# "
"""A line that HAProxy passes over."""

Out = Mapping[str, ServerState]
"""Servers that begin out of service, by ``backend/server``: a new process has never seen them."""
NONE_OUT: Out = {}


class Standing(NamedTuple):
    """What one process says of one server."""

    colour: Colour
    node: str
    state: ServerState


def standing(shown: str) -> Iterator[Standing]:
    """Each server in ``show servers state``."""
    for line in shown.splitlines():
        words = line.split()
        if len(words) > 6 and words[1] in COLOURS:
            bits = int(words[6])
            state: ServerState = "maint" if bits & _MAINT else "drain" if bits & _DRAIN else "ready"
            yield from (Standing(one, node_name(words[3]), state) for one in COLOURS if one == words[1])


def beginning(configuration: str, out: Out, before: str = "") -> str:
    """The file of states with which a process begins: as it was ``before``, and servers that are new to it as ``out`` says."""
    known = {f"{words[1]}/{words[3]}" for words in map(str.split, before.splitlines()) if len(words) > 6}
    more = "".join(_lines(configuration, {name: state for name, state in out.items() if name not in known}))
    return (before.rstrip("\n") + "\n" + more if before.strip() else _HEAD + more) if more else before


def listed(ports: Mapping[tuple[Colour, str], int], out: Mapping[tuple[Colour, str], ServerState]) -> str:
    """The file of states for processes that begin at any time: every node, by colour and name, with its MQTT port; one that is ready is a comment, since its check judges it.

    The servers for WebSocket follow these, and are not in it.
    """
    lines = (
        _marked(colour, server_name(node), port, out.get((colour, node), "ready"))
        for (colour, node), port in sorted(ports.items())
    )
    return _HEAD + "".join(lines)


def relisted(text: str, changes: Mapping[tuple[Colour, str], ServerState]) -> str:
    """The same file after these changes; a node that is not in it stays unknown."""
    lines = []
    for line in text.removeprefix(_HEAD).splitlines(keepends=True):
        words = line.removeprefix(_READY).split()
        found = [
            state for (colour, node), state in changes.items() if words[1] == colour and words[3] == server_name(node)
        ]
        lines.append(_marked(words[1], words[3], int(words[18]), found[0]) if found else line)
    return _HEAD + "".join(lines)


def _marked(backend: str, server: str, port: int, state: ServerState) -> str:
    return f"{_READY if state == 'ready' else ''}{_line(backend, 0, server, port, state)}"


def _lines(configuration: str, out: Out) -> Iterable[str]:
    for backend, block in re.findall(r"^backend (\S+)\n((?:  .*\n)+)", configuration, re.MULTILINE):
        for number, (server, port) in enumerate(_SERVER.findall(block), 1):
            state = out.get(f"{backend}/{server}", "ready")
            if state != "ready":
                yield _line(backend, number, server, int(port), state)


def _line(backend: str, number: int, server: str, port: int, state: ServerState) -> str:
    """Of a server, which is found by its names."""
    bits = {"ready": 0, "drain": _DRAIN, "maint": _MAINT & 1}[state]
    return f"0 {backend} {number} {server} - 2 {bits} 1 1 0 1 0 2 0 0 0 0 - {port} - 0 0 - - 0\n"
