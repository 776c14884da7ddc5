"""The words on the arrows of a strategy's drawing; which arrows there are, and in which order, is the code's to say (`tools.draw_sequence`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

Arrow = tuple[str, str, str]
"""From, to, and the words, in which Mermaid allows no semicolon; ``{old}`` and ``{to}`` are the colours."""


class Words(NamedTuple):
    """What a strategy's drawing says: of its links, of the plan's acts, and of the last one."""

    links: Mapping[str, tuple[Arrow, ...]]
    acts: Mapping[str, tuple[Arrow, ...]]
    last: tuple[Arrow, ...]


WAITING: Mapping[str, tuple[Arrow, ...]] = {
    "share": (("up", "balancer", "green has {parts} of 10,000: new connects only"),),
    "hold": (("up", "up", "judge the gates for {seconds:g} s"),),
    "judge": (("up", "up", "wait until no gate is unknown, and all pass"),),
}
"""The plan's acts that are the same between two clusters and within one."""

CLOSING: tuple[Arrow, ...] = (
    ("up", "{old}", "list the cohort, with the address of each client"),
    ("up", "balancer", "find these connections, and close them at the budget"),
    ("balancer", "devices", "FIN, once"),
    ("devices", "balancer", "connect again"),
    ("balancer", "{to}", "their connects"),
)
"""How a cohort is moved, up to what becomes of its sessions."""


ONE_CLUSTER = Words(
    links={
        "Cutover": (
            ("up", "balancer", "ask share and memory: forward, back or nothing"),
            ("up", "balancer", "take the lease: run, origin, began_at, scope. Forget drained_at"),
        ),
        "Backup": (
            ("up", "{old}", "one archive for each table set"),
            ("{old}", "up", "archives, kept in workDirectory/archives with their sha256"),
        ),
        "Verification": (
            ("up", "{to}", "invite who is alone and not ours"),
            ("up", "{to}", "each node: /cluster and /nodes, authenticators, logins right, wrong and anonymous, twice"),
            ("up", "{old}", "each node: the same members"),
            ("up", "{to}", "each node: tables and settings, and the probes' questions, held against {old}"),
            ("up", "balancer", "each server of {to}: maint to ready, then wait until it is fully up"),
        ),
        "Drain": (
            ("up", "{to}", "open source: CONNECT and DISCONNECT in one write for each session of an offline client"),
            ("{to}", "{old}", "take the session over"),
            ("up", "balancer", "remember drained_at"),
            ("up", "up", "close the journal, write report.json and report.html"),
        ),
        "Leave": (("up", "up", "nothing, until a colour is not declared any more"),),
    },
    acts={**WAITING, "move": (*CLOSING, ("{to}", "{old}", "take their sessions over"))},
    last=(
        ("up", "balancer", "close whoever is on {old} again, then nobody is"),
        ("up", "{old}", "Enterprise: evacuate all nodes, migrate_to those of {to}"),
        ("up", "{old}", "Enterprise: wait until every node is prohibiting"),
    ),
)
