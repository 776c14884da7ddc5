"""The errors of the management API and of everything built on it; a message says what was tried, where, what was seen, what to do.

The tree, retryable or fatal by type::

    UpgradeError
    +-- Retryable            the same call may succeed later
    |   +-- Unreachable      no answer: refused, timed out, closed without a word
    |   +-- NotNow           an answer that passes: 500 around a join, 503
    +-- Fatal                the same call will fail again
        +-- BadInput         a setting or an argument that cannot be right
        +-- Unauthorized     401 or 403
        +-- Rejected         any other 4xx, with EMQX's own code and message
        +-- Refused          we will not do it: the world is not as it must be
        +-- GateFailed       a measured fact is over its threshold
        +-- VerificationFailed  green is not what blue is
        +-- GaveUp           a bounded wait ended; says what it last saw
        +-- LeaseLost        another run has taken over
        +-- Stopped          Ctrl-C, or the engine is gone
"""

from __future__ import annotations


class UpgradeError(Exception):
    """A sentence for the person on call.

    Args:
        tried: what was tried, as a phrase: ``import of archive.tar.gz``.
        node: the node (or the balancer) it was tried on; empty where there is none.
        seen: what was seen instead of success.
        todo: what to do next.

    """

    def __init__(self, tried: str, *, seen: str, todo: str, node: str = "") -> None:
        """Keep the four parts; the message is made of them."""
        self.tried, self.node, self.seen, self.todo = tried, node, seen, todo
        super().__init__(self._sentence())

    def add(self, fact: str) -> None:
        """Say one thing more that was seen: where the clients are, when it ended."""
        self.seen = f"{self.seen}; {fact}"
        self.args = (self._sentence(),)

    def _sentence(self) -> str:
        where = f" on {self.node}" if self.node else ""
        return f"{self.tried}{where}: {self.seen}. Next: {self.todo}"


class Retryable(UpgradeError):  # noqa: N818 - names what to do about it, as its children do
    """The same call may succeed later."""


class Unreachable(Retryable):
    """No answer at all."""


class NotNow(Retryable):
    """A server error that passes (docs/emqx/cluster.md#a-node-dies: 2 s around a join)."""


class Fatal(UpgradeError):  # noqa: N818 - names what to do about it, as its children do
    """The same call will fail again."""


class BadInput(Fatal):
    """A setting or an argument that cannot be right."""


class Unauthorized(Fatal):
    """The credentials are not accepted, or not for this call."""


class Rejected(Fatal):
    """A 4xx answer.

    Args:
        status: the HTTP status.
        code: EMQX's own code (``BAD_REQUEST``), empty where the body has none.

    """

    def __init__(self, tried: str, *, seen: str, todo: str, node: str = "", status: int = 400, code: str = "") -> None:
        """Keep status and code beside the sentence."""
        super().__init__(tried, seen=seen, todo=todo, node=node)
        self.status, self.code = status, code


class Refused(Fatal):
    """We will not do it, because the world is not as it must be."""


class GateFailed(Fatal):
    """A measured fact is over its threshold."""


class VerificationFailed(Fatal):
    """Green is not what blue is."""


class GaveUp(Fatal):
    """A bounded wait ended without what it waited for."""


class LeaseLost(Fatal):
    """Another run has taken over; this one must not act any more."""


class Stopped(Fatal):
    """The update was interrupted, or its engine is gone."""


def of_this_machine(trouble: OSError) -> Refused:
    """What the person on call can do about a file that cannot be written, a full disk, a limit."""
    seen = f"{trouble.strerror or type(trouble).__name__}{f': {trouble.filename}' if trouble.filename else ''}"
    todo = "see that this may be done here (emqx:workDirectory must be writable), then run pulumi up again"
    return Refused("working with files", node="this machine", seen=seen, todo=todo)
