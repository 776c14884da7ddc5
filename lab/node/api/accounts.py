"""The endpoints of logins, dashboard users and API keys; API keys may not call the last two.

Bodies as in recordings 01, 04, 05 and A_setup_blue_ce_5.8.9 (open source shows neither role nor backend).
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from lab.node.api import check
from lab.node.api.access import expired, hash_secret, short_hash
from lab.node.api.call import NO_CONTENT, Answer, Call, Endpoint, parse_time, timestamp
from lab.node.api.errors import ApiError, bad_request, invalid, not_found
from lab.node.kept.records import ApiKey, DashboardUser
from lab.node.rules.passwords import secret_fits

_KEY_FIELDS: dict[str, check.Check] = {
    "name": check.text,
    "desc": check.text,
    "enable": check.boolean,
    "role": check.text,
    "expired_at": check.text,
    "expired": check.boolean,
    "api_key": check.text,
    "created_at": check.text,
}
_USER_FIELDS: dict[str, check.Check] = {
    "username": check.text,
    "password": check.text,
    "role": check.text,
    "description": check.text,
}


async def login(call: Call) -> Answer:
    """POST /login."""
    body = await call.body()
    username, password = check.required_text(body, "username"), check.required_text(body, "password")
    token, user = call.managed.access.login(username, password, call.now())
    answer: dict[str, Any] = {"version": call.managed.version}
    if call.managed.edition == "ee":
        answer["role"] = user.role
    return Answer(answer | {"token": token, "license": {"edition": call.managed.edition}})


async def logout(call: Call) -> Answer:
    """POST /logout ends the token that it was called with."""
    call.managed.access.tokens.pop(call.request.headers["authorization"].partition(" ")[2].strip(), None)
    return NO_CONTENT


async def users(call: Call) -> Answer:
    """GET /users."""
    return Answer([_user(call, user) for user in call.managed.store.dashboard_users.values()])


async def create_user(call: Call) -> Answer:
    """POST /users."""
    fields = check.body_fields(await call.body(), _USER_FIELDS, required=("username", "password"))
    table = call.managed.store.dashboard_users
    if fields["username"] in table:
        raise bad_request("username_already_exists")
    role = fields.get("role", "viewer") if call.managed.edition == "ee" else None
    user = DashboardUser(fields["username"], hash_secret(fields["password"]), role, fields.get("description", ""))
    table[user.username] = user
    return Answer(_user(call, user))


async def update_user(call: Call) -> Answer:
    """PUT /users/:username changes role and description."""
    fields = check.body_fields(await call.body(), {"role": check.text, "description": check.text})
    user = _existing_user(call)
    user = replace(user, **fields)
    call.managed.store.dashboard_users[user.username] = user
    return Answer(_user(call, user))


async def delete_user(call: Call) -> Answer:
    """DELETE /users/:username."""
    user = _existing_user(call)
    if call.actor is not None and call.actor.name == user.username:
        raise ApiError(400, "NOT_ALLOWED", "Cannot delete self")
    del call.managed.store.dashboard_users[user.username]
    return NO_CONTENT


async def change_password(call: Call) -> Answer:
    """POST /users/:username/change_pwd."""
    fields = check.body_fields(await call.body(), {"old_pwd": check.text, "new_pwd": check.text}, required=("new_pwd",))
    user = _existing_user(call)
    if not secret_fits(fields.get("old_pwd", ""), user.password_hash):
        raise bad_request("password_error")
    call.managed.store.dashboard_users[user.username] = replace(user, password_hash=hash_secret(fields["new_pwd"]))
    return NO_CONTENT


def _existing_user(call: Call) -> DashboardUser:
    user = call.managed.store.dashboard_users.get(call.path["username"])
    if user is None:
        raise not_found("User not found", "USER_NOT_FOUND")
    return user


def _user(call: Call, user: DashboardUser) -> dict[str, Any]:
    shown: dict[str, Any] = {"description": user.description, "username": user.username}
    return shown | {"role": user.role, "backend": "local"} if call.managed.edition == "ee" else shown


async def keys(call: Call) -> Answer:
    """GET /api_key."""
    return Answer([_key(call, key) for key in call.managed.store.api_keys.values()])


async def create_key(call: Call) -> Answer:
    """POST /api_key; the only answer that ever shows the secret."""
    fields = check.body_fields(await call.body(), _KEY_FIELDS, required=("name",))
    table = call.managed.store.api_keys
    if fields["name"] in table:
        raise bad_request("ALREADY_EXISTS")
    secret = secrets.token_urlsafe(33).replace("-", "0").replace("_", "1")
    key = ApiKey(
        name=fields["name"],
        key=short_hash(fields["name"]),
        secret_hash=hash_secret(secret),
        role=fields.get("role", "administrator") if call.managed.edition == "ee" else None,
        enable=fields.get("enable", True),
        description=fields.get("desc", ""),
        expires=_expiry(fields),
        created=call.now(),
    )
    table[key.name] = key
    return Answer(_key(call, key) | {"api_secret": secret})


async def key(call: Call) -> Answer:
    """GET /api_key/:name."""
    return Answer(_key(call, _existing_key(call)))


async def update_key(call: Call) -> Answer:
    """PUT /api_key/:name."""
    fields = check.body_fields(await call.body(), _KEY_FIELDS)
    old = _existing_key(call)
    new = replace(
        old,
        enable=fields.get("enable", old.enable),
        description=fields.get("desc", old.description),
        role=fields.get("role", old.role) if call.managed.edition == "ee" else None,
        expires=_expiry(fields) if "expired_at" in fields else old.expires,
    )
    call.managed.store.api_keys[new.name] = new
    return Answer(_key(call, new))


async def delete_key(call: Call) -> Answer:
    """DELETE /api_key/:name."""
    del call.managed.store.api_keys[_existing_key(call).name]
    return NO_CONTENT


def _existing_key(call: Call) -> ApiKey:
    found = call.managed.store.api_keys.get(call.path["name"])
    if found is None:
        raise not_found("Name NOT FOUND")
    return found


def _expiry(fields: dict[str, Any]) -> float | None:
    wanted = fields.get("expired_at", "infinity")
    try:
        return parse_time(wanted)
    except ValueError:
        raise invalid(value=wanted, reason="Not a valid datetime", path="root.expired_at") from None


def _key(call: Call, found: ApiKey) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": found.name,
        "desc": found.description,
        "enable": found.enable,
        "expired": expired(found, call.now()),
    }
    if call.managed.edition == "ee":
        shown["role"] = found.role
    return shown | {
        "created_at": timestamp(found.created),
        "api_key": found.key,
        "expired_at": "infinity" if found.expires is None else timestamp(found.expires),
    }


ENDPOINTS = (
    Endpoint("POST", "/login", login, open=True),
    Endpoint("POST", "/logout", logout),
    Endpoint("GET", "/users", users),
    Endpoint("POST", "/users", create_user),
    Endpoint("PUT", "/users/{username}", update_user),
    Endpoint("DELETE", "/users/{username}", delete_user),
    Endpoint("POST", "/users/{username}/change_pwd", change_password),
    Endpoint("GET", "/api_key", keys),
    Endpoint("POST", "/api_key", create_key),
    Endpoint("GET", "/api_key/{name}", key),
    Endpoint("PUT", "/api_key/{name}", update_key),
    Endpoint("DELETE", "/api_key/{name}", delete_key),
)
