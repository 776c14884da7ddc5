"""The word in a handle -> the keeper of its nodes; another kind is one module and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from components.emqx.errors import BadInput
from components.emqx.models import ClusterHandle, Credentials, KeeperHandle
from components.keepers import aws, commands, kubernetes, lab, local
from components.keepers.base import NodeKeeper

Interrupted = Callable[[], None]
Make = Callable[[ClusterHandle, KeeperHandle, Credentials | None, Interrupted], NodeKeeper]

KEEPERS: Mapping[str, Make] = {
    "local": local.keeper,
    "lab": lab.keeper,
    "commands": commands.keeper,
    "kubernetes": kubernetes.keeper,
    "aws": aws.keeper,
}


def keeper_of(
    handle: ClusterHandle, credentials: Credentials | None = None, interrupted: Interrupted = lambda: None
) -> NodeKeeper | None:
    """The keeper of the cluster's nodes; None where they are not ours to stop and start.

    Args:
        handle: the cluster.
        credentials: what a node is started with (its licence, its dashboard user); only a start needs them.
        interrupted: raises when a wait must end.

    Raises:
        BadInput: nobody knows this kind.

    """
    if handle.keeper is None:
        return None
    if handle.keeper.kind not in KEEPERS:
        todo = f"give one of {', '.join(sorted(KEEPERS))}"
        raise BadInput("the keeper of the nodes", node=handle.colour, seen=handle.keeper.kind, todo=todo)
    return KEEPERS[handle.keeper.kind](handle, handle.keeper, credentials, interrupted)
