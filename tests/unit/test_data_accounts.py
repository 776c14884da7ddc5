"""Accounts that travel must not take away those that we work with: one name has one secret, or nothing is imported."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

import httpx
import pytest

from components.emqx.base import Cluster as Seam
from components.emqx.errors import BadInput, Unauthorized
from components.emqx.models import Credentials
from components.emqx.registry import cluster_of
from components.links.accounts import carried, refuse_lockout, refuse_same_accounts, still_ours
from tests.handles import cluster_at

pytestmark = pytest.mark.unit


def known(**changes: Any) -> Credentials:
    fields = {"api_key": "k", "api_secret": "planted-secret", "username": "admin", "password": "planted-password"}
    return Credentials(**{**fields, **changes})


class Cluster:
    """What a cluster says of the accounts that it has: key and user, each with its secret."""

    def __init__(self, keys: dict[str, str], users: dict[str, str]) -> None:
        self.keys, self.users = keys, users

    def api(self, credentials: Credentials) -> Seam:
        handle = cluster_at("a", colour="green")
        return cluster_of(handle, credentials, transport=httpx.MockTransport(self.answer), patience_seconds=0)

    def answer(self, request: httpx.Request) -> httpx.Response:
        scheme, _, word = request.headers.get("authorization", "").partition(" ")
        path = request.url.path.removeprefix("/api/v5")
        if path == "/login":
            asked = json.loads(request.content)
            right = self.users.get(asked["username"]) == asked["password"]
            return httpx.Response(200, json={"token": "t"}) if right else self.no("BAD_USERNAME_OR_PWD")
        if scheme == "Basic":
            key, _, secret = base64.b64decode(word).decode().partition(":")
            if self.keys.get(key) != secret:
                return self.no("BAD_API_KEY_OR_SECRET")
        lists: dict[str, Iterable[Any]] = {
            "/api_key": [{"name": f"n-{key}", "api_key": key} for key in self.keys],
            "/users": [{"username": name} for name in self.users],
        }
        return httpx.Response(200, json=list(lists.get(path, [])))

    def no(self, code: str) -> httpx.Response:
        return httpx.Response(401, json={"code": code, "message": "no"})


def test_accounts_travel_where_they_are_wanted_and_both_colours_have_a_login() -> None:
    assert carried([known(), known()], wanted=True)
    assert not carried([known(), known()], wanted=False)
    assert not carried([known(), known(password=None)], wanted=True)
    assert not carried([known()], wanted=True)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (known(api_secret="planted-other"), "the API key k "),
        (known(password="planted-other"), "the dashboard user admin "),
    ],
)
def test_one_name_with_two_secrets_is_refused_and_no_secret_is_told(target: Credentials, told: str) -> None:
    with pytest.raises(BadInput, match="carryApiKeys to false") as refused:
        refuse_same_accounts(known(), target)
    assert told in str(refused.value)
    assert "planted" not in str(refused.value)


def test_other_names_or_the_same_secrets_pass() -> None:
    refuse_same_accounts(known(), known())
    refuse_same_accounts(known(), known(api_key="k2", api_secret="2", username="ops", password="3"))


@pytest.mark.parametrize(
    ("secret", "password", "told"),
    [("s2", "p2", None), ("other", "p2", "the API key k2 "), ("s2", "other", "the dashboard user ops ")],
)
async def test_an_account_that_the_source_has_beside_ours_must_have_the_targets_secret(
    secret: str, password: str, told: str | None
) -> None:
    source = Cluster(
        keys={"k": "planted-secret", "k2": secret}, users={"admin": "planted-password", "ops": password, "eve": "x"}
    )
    target = known(api_key="k2", api_secret="s2", username="ops", password="p2")
    async with source.api(known()) as api, source.api(target) as borrowed:
        if told is None:
            await refuse_lockout(api, borrowed, target)
            return
        with pytest.raises(BadInput) as refused:
            await refuse_lockout(api, borrowed, target)
    assert told in str(refused.value)


async def test_an_account_that_the_source_does_not_have_is_not_tried_there() -> None:
    source = Cluster(keys={"k": "planted-secret"}, users={"admin": "planted-password"})
    target = known(api_key="k2", username="ops")
    async with source.api(known()) as api, source.api(target) as borrowed:
        await refuse_lockout(api, borrowed, target)


@pytest.mark.parametrize("changed", [{"keys": {"k": "other"}}, {"users": {"admin": "other"}}])
async def test_an_import_that_replaced_our_own_account_says_so(changed: dict[str, Any]) -> None:
    accounts = {"keys": {"k": "planted-secret"}, "users": {"admin": "planted-password"}}
    async with Cluster(**accounts).api(known()) as green:
        await still_ours(green)
    cluster = Cluster(**accounts)
    async with cluster.api(known()) as green:
        await green.login()  # the token of before the import is still good
        cluster.keys, cluster.users = changed.get("keys", cluster.keys), changed.get("users", cluster.users)
        with pytest.raises(Unauthorized, match="green has blue's API keys and users now") as caught:
            await still_ours(green)
    assert "planted" not in str(caught.value)
