"""Accounts that travel with the data: API keys and dashboard users of the source replace those of the same name on the target.

The rule: the accounts that this program works with on the target must be the same after the import, or nothing is imported.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection

from components.emqx.base import Cluster
from components.emqx.errors import BadInput, Unauthorized
from components.emqx.models import Credentials


def carried(credentials: Collection[Credentials], *, wanted: bool) -> bool:
    """Whether accounts travel: it is wanted, and both colours have the dashboard login that their archive needs (docs/emqx/backup.md#api-key-or-token)."""
    return wanted and len(credentials) > 1 and all(each.has_login for each in credentials)


def refuse_same_accounts(source: Credentials, target: Credentials) -> None:
    """Refuse one name with two secrets: the source's would be the target's after the import.

    Raises:
        BadInput: names the account, never its secret.

    """
    if source.api_key == target.api_key and source.api_secret != target.api_secret:
        raise _taken("API key", target.api_key)
    if source.username == target.username and source.password != target.password:
        raise _taken("dashboard user", target.username)


async def refuse_lockout(api: Cluster, borrowed: Cluster, target: Credentials) -> None:
    """Refuse also when the source has an account of that name which is not the one that we use there.

    After two upgrades that is the usual case, with one secret; whether it is one only the source can tell.

    Args:
        api: the source.
        borrowed: the source again, asked with the target's credentials.
        target: those credentials.

    Raises:
        BadInput: as ``refuse_same_accounts``. Unreachable, NotNow, Unauthorized: the source cannot be asked.

    """
    keys, users = await api.account_names()
    if target.api_key in keys and await _refused(borrowed.nodes()):
        raise _taken("API key", target.api_key)
    if target.username in users and await _refused(borrowed.login()):
        raise _taken("dashboard user", target.username)


async def _refused(question: Awaitable[object]) -> bool:
    try:
        await question
    except Unauthorized:
        return True
    return False


def _taken(kind: str, name: str | None) -> BadInput:
    return BadInput(
        "carrying API keys and dashboard users",
        seen=f"the {kind} {name} exists on the old colour with another secret, and would replace the one of the new colour",
        todo=f"give both colours one secret for it, or the new colour's {kind} another name, or set"
        " emqx:cutover.carryApiKeys to false",
    )


async def still_ours(target: Cluster) -> None:
    """Whether the target still takes our key and our login, each asked afresh.

    Raises:
        Unauthorized: imported accounts have replaced one of them; says which.

    """
    try:
        await target.nodes()
        if target.has_login:
            await target.login()  # a token of before the import may outlive the password that it was given for
    except Unauthorized as error:
        raise Unauthorized(
            f"{error.tried}, the first time after the import",
            node=target.handle.colour,
            seen=error.seen,
            todo="green has blue's API keys and users now: give blue's key and login for green, or restart green's nodes",
        ) from None
