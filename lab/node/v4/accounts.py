"""Applications (who may use port 8081) and dashboard users (who may use port 18083); both paths are on the dashboard's port alone (V_*_auth).

The rule: who is let in is decided here, for both ports; an application is no dashboard user and the other way round.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import replace
from typing import Any

from lab.node.kept.old import Admin, App
from lab.node.v4.asked import Asked, CrashError, Way, ok, said
from lab.node.v4.colony import Colony
from lab.node.v4.hashes import admin_fits, admin_secret
from lab.node.v4.line import Line


def admitted(colony: Colony, line: Line, header: str | None, *, dashboard: bool) -> bool:
    """Whether an ``Authorization`` header opens a port; raises `CrashError` where 4.2 fails over it."""
    kind, _, value = (header or "").partition(" ")
    if kind != "Basic":
        return False
    try:
        name, _, secret = b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        if line.crashes_on_doubt:
            raise CrashError from None
        return False
    tables = colony.host.store.old
    if dashboard:
        admin = tables.admins.get(name)
        return admin is not None and admin_fits(admin.secret, secret)
    app = tables.apps.get(name)
    if app is None or app.secret != secret or (app.expired is not None and app.expired <= colony.host.clock.now()):
        return False
    if not isinstance(app.status, bool) and line.crashes_on_doubt:
        raise CrashError
    return app.status is True


def _shown(app: App) -> dict[str, Any]:
    expired = "undefined" if app.expired is None else app.expired
    return {"status": app.status, "name": app.name, "expired": expired, "desc": app.desc, "app_id": app.app_id}


def apps(asked: Asked) -> dict[str, Any]:
    """GET /apps: without secrets."""
    return ok([_shown(app) for app in asked.tables.apps.values()])


def app(asked: Asked) -> dict[str, Any]:
    """GET /apps/:appid: with its secret."""
    found = asked.tables.apps.get(asked.path["appid"])
    return said("not_found") if found is None else ok(_shown(found) | {"secret": found.secret})


def create_app(asked: Asked) -> dict[str, Any]:
    """POST /apps."""
    body = asked.object()
    if "app_id" not in body:
        raise CrashError
    name = body["app_id"]
    if name in asked.tables.apps:
        return said("alread_existed", code=102) if asked.line.one_kind else said("already_existed")
    secret = body.get("secret") or asked.colony.random.randbytes(24).hex()
    status, expired = body.get("status", True), body.get("expired")
    asked.tables.apps[name] = App(name, secret, body.get("name", ""), body.get("desc", ""), status, expired)
    return ok({"secret": secret})


def change_app(asked: Asked) -> dict[str, Any]:
    """PUT /apps/:appid."""
    found, body = asked.tables.apps.get(asked.path["appid"]), asked.object()
    if found is None:
        return said("not_found")
    wished = {name: body[name] for name in ("name", "desc", "status", "expired") if name in body}
    asked.tables.apps[found.app_id] = replace(found, **wished)
    return ok()


def delete_app(asked: Asked) -> dict[str, Any]:
    """DELETE /apps/:appid, code 0 for an unknown one too."""
    asked.tables.apps.pop(asked.path["appid"], None)
    return ok()


def users(asked: Asked) -> dict[str, Any]:
    """GET /users: those of the dashboard."""
    return ok([{"username": one.username, "tags": one.tags} for one in asked.tables.admins.values()])


def create_user(asked: Asked) -> dict[str, Any]:
    """POST /users/."""
    body = asked.object()
    name = body["username"]
    if name in asked.tables.admins:
        return said("Username Already Exist")
    secret = admin_secret(body["password"], asked.colony.random)
    asked.tables.admins[name] = Admin(name, secret, body.get("tags", ""))
    return ok()


def delete_user(asked: Asked) -> dict[str, Any]:
    """DELETE /users/:name."""
    if asked.path["name"] == "admin":
        return said("Cannot delete admin")
    asked.tables.admins.pop(asked.path["name"], None)
    return ok()


def login(asked: Asked) -> dict[str, Any]:
    """POST /auth."""
    body = asked.object()
    found = asked.tables.admins.get(body["username"])
    if found is not None and admin_fits(found.secret, body["password"]):
        return ok()
    return said("Password Error" if asked.line.one_kind else "Username/Password error")


def change_password(asked: Asked) -> dict[str, Any]:
    """PUT /change_pwd/:username."""
    body, found = asked.object(), asked.tables.admins.get(asked.path["username"])
    if found is None or not admin_fits(found.secret, body["old_pwd"]):
        return said("Password Error" if asked.line.one_kind else "Username/Password error")
    secret = admin_secret(body["new_pwd"], asked.colony.random)
    asked.tables.admins[found.username] = replace(found, secret=secret)
    return ok()


WAYS = (
    Way("GET", "/apps", apps, dashboard=True),
    Way("POST", "/apps", create_app, dashboard=True),
    Way("GET", "/apps/{appid}", app, dashboard=True),
    Way("PUT", "/apps/{appid}", change_app, dashboard=True),
    Way("DELETE", "/apps/{appid}", delete_app, dashboard=True),
    Way("GET", "/users", users, dashboard=True),
    Way("POST", "/users/", create_user, dashboard=True),
    Way("DELETE", "/users/{name}", delete_user, dashboard=True),
    Way("POST", "/auth", login, dashboard=True),
    Way("PUT", "/change_pwd/{username}", change_password, dashboard=True),
)
