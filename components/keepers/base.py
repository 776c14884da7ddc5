"""What is asked of whoever keeps the nodes of a cluster: stop one, copy it, start it with a version, say what it runs.

The rule: a keeper decides nothing. It looks before it acts, so that a call that was cut off may be made again, and it touches the node that it is
given and no other. Its calls raise the errors of ``components.emqx.errors`` and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from components.cutover.words import Edition


class Running(NamedTuple):
    """What a node runs; None where nobody wrote down what it was started with."""

    version: str | None
    edition: Edition | None


class Copied(NamedTuple):
    """A copy of a node: where it lies, how many files and bytes it has."""

    place: Path
    files: int
    size: int


class NodeKeeper(Protocol):
    """The keeper of one cluster's nodes, which are called by their names (``emqx@127.0.1.1``)."""

    async def stop(self, node: str) -> None:
        """End the node in order, sessions and tables written; gone already is fine."""
        ...

    async def start(self, node: str, version: str, edition: Edition) -> None:
        """Start the node with this version on the data that it has, and wait until its management API answers; one that runs it already is only waited for.

        Raises:
            BadInput: the version is not to be had here.
            Refused: it runs another one; it is to be stopped first.
            GaveUp: it does not come up; says the last that was seen of it.

        """
        ...

    async def runs(self, node: str) -> Running | None:
        """What the node runs; None when it does not run."""
        ...

    async def back_up(self, node: str, place: Path) -> Copied:
        """Copy configuration and data of a node that is stopped to this directory, with sizes and sha256 in a manifest.

        A whole copy that lies there already is kept and answered again; it is never written over.

        Raises:
            Refused: the node runs, so that its files change while they are copied; or there is nothing of it.

        """
        ...

    async def set_aside(self, node: str) -> Path | None:
        """Move the data of a stopped node that has left aside, so that it does not come back by itself; where they are, None when there are none.

        Raises:
            Refused: the node runs.

        """
        ...


@runtime_checkable
class CopiesRunning(Protocol):
    """A keeper that can also copy a node which it does not stop first."""

    async def copy_running(self, node: str, place: Path) -> Copied:
        """As ``NodeKeeper.back_up`` of a node that may run, whose files are then not of one moment, which the manifest says.

        Raises:
            Refused: nothing of it is reached.

        """
        ...
