"""A temporary MQTT account for probes, removed without a trace also on failure and cancellation.

Source: docs/emqx/probes.md#a-temporary-account. It is never a superuser, because superusers pass every rule. What a killed run left
behind is found by its prefix and removed by ``sweep``.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from components.emqx.errors import Refused, UpgradeError
from components.emqx.inventory import ACL
from components.emqx.v5 import ClusterApi

PREFIX = "upgrade-probe-"
USERS = "/authentication/password_based%3Abuilt_in_database/users"
CANCELLED_SECONDS = 1.5
_GONE = frozenset({404})


@dataclass(frozen=True)
class Account:
    """Name and password of a probe; ``by_client_id`` where EMQX looks users up by client id.

    ``ruled`` says whether its ACL rules could be written (the built-in authorization source exists).
    """

    name: str
    password: str = field(repr=False)
    by_client_id: bool
    ruled: bool


async def password_authenticator(api: ClusterApi, *, node: str = "") -> dict[str, Any] | None:
    """The enabled password authenticator of the built-in database; None without one."""
    for row in (await api.http.call("GET", "/authentication", node=node)).json() or []:
        if row.get("id") == "password_based:built_in_database" and row.get("enable", True):
            found: dict[str, Any] = row
            return found
    return None


@asynccontextmanager
async def temporary_account(api: ClusterApi, rules: Sequence[dict[str, str]]) -> AsyncIterator[Account | None]:
    """An account with these ACL rules (``permission``, ``action``, ``topic``) while the context lasts.

    None where the cluster has no built-in password authenticator. Raises Refused when it could not be removed.
    """
    authenticator = await password_authenticator(api)
    if authenticator is None:
        yield None
        return
    name, password = PREFIX + secrets.token_hex(8), secrets.token_urlsafe(24)
    by_client_id = authenticator.get("user_id_type") == "clientid"
    failure: BaseException | None = None
    try:
        user = {"user_id": name, "password": password, "is_superuser": False}
        await api.http.call("POST", USERS, body=user, accept=frozenset({409}), repeatable=True)
        entry = [{"username": name, "rules": list(rules)}]
        reply = await api.http.call("POST", f"{ACL}/users", body=entry, accept=frozenset({404, 409}), repeatable=True)
        yield Account(name=name, password=password, by_client_id=by_client_id, ruled=reply.status != 404)
    except BaseException as error:
        failure = error
        raise
    finally:
        await _surely_remove(api, name, failure)


async def sweep(api: ClusterApi) -> int:
    """Remove the accounts that killed runs left behind; how many there were."""
    if await password_authenticator(api) is None:
        return 0
    names: list[str] = []
    async for page in api.pages(USERS, {"like_user_id": PREFIX}):
        names += [row["user_id"] for row in page if str(row.get("user_id", "")).startswith(PREFIX)]
    for name in names:
        await _remove(api, name)
    return len(names)


async def _surely_remove(api: ClusterApi, name: str, failure: BaseException | None) -> None:
    """Remove the account even when we are being cancelled; its own failure never hides an earlier one.

    A cancelled run has ``CANCELLED_SECONDS`` for it, because Ctrl-C must end soon; the next run sweeps.
    """
    removal = asyncio.create_task(_remove(api, name))
    cancelled = isinstance(failure, asyncio.CancelledError)
    while not removal.done():
        try:
            await asyncio.wait({removal}, timeout=CANCELLED_SECONDS if cancelled else None)
        except asyncio.CancelledError:
            cancelled = True
        else:
            if not removal.done():
                removal.cancel()
    error = None if removal.cancelled() else removal.exception()
    if cancelled:
        raise asyncio.CancelledError
    if error is not None and failure is None:
        seen = error.seen if isinstance(error, UpgradeError) else type(error).__name__
        todo = f"remove the MQTT user {name} and its rules; the next run does it too"
        raise Refused("removing the probe's account", node=api.handle.colour, seen=seen, todo=todo) from None


async def _remove(api: ClusterApi, name: str) -> None:
    # The user is made first and goes last, so that whatever a kill leaves is found by the user's name.
    for path in (f"{ACL}/users", USERS):
        await api.http.call("DELETE", f"{path}/{quote(name, safe='')}", accept=_GONE, repeatable=True)
