"""Authenticators and the users of the built-in database, of both mechanisms; the order of the list decides.

Answers as in recordings 04, 07, A_setup_blue_ce_5.8.9, A_reorder and C_probes; around a join the users' calls answer
``not_initialized`` (docs/emqx/cluster.md#fresh-start).
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from random import SystemRandom
from typing import Any

from starlette.datastructures import UploadFile

from lab.node.api import check
from lab.node.api.call import NO_CONTENT, Answer, Call, Endpoint
from lab.node.api.errors import ApiError, bad_request, internal, invalid, not_found
from lab.node.api.paging import page_of
from lab.node.kept.records import AuthnUser, ScramUser
from lab.node.kept.store import PASSWORD_ID, SCRAM_ID
from lab.node.rules.authn import authenticator_id
from lab.node.rules.passwords import DEFAULT_ALGORITHM, new_scram_user, new_user

_USER: dict[str, check.Check] = {"user_id": check.text, "password": check.text, "is_superuser": check.boolean}
_SHOWN: dict[str, dict[str, Any]] = {
    PASSWORD_ID: {
        "bootstrap_file": "${EMQX_ETC_DIR}/auth-built-in-db-bootstrap.csv",
        "bootstrap_type": "plain",
        "enable": True,
        "user_id_type": "username",
    },
    SCRAM_ID: {"algorithm": "sha256", "enable": True, "iteration_count": 4096},
}
_BUILT_IN = (PASSWORD_ID, SCRAM_ID)
_IMPORTED = ("user_id", "password_hash", "salt", "is_superuser")


def chain_of(call: Call) -> list[dict[str, Any]]:
    """The authenticators in their order; a copy."""
    return deepcopy(list(call.managed.store.effective("authentication") or []))


def _write(call: Call, chain: list[dict[str, Any]]) -> None:
    call.managed.store.put("authentication", chain)


def _index(chain: list[dict[str, Any]], ident: str) -> int:
    for index, entry in enumerate(chain):
        if authenticator_id(entry) == ident:
            return index
    raise not_found(f"Authenticator '{ident}' does not exist")


def shown(entry: dict[str, Any]) -> dict[str, Any]:
    """An authenticator as the API answers it: the id first, then its configuration with defaults."""
    ident = authenticator_id(entry)
    return {"id": ident} | dict(sorted((_SHOWN.get(ident, {"enable": True}) | entry).items()))


def _checked(body: Any) -> dict[str, Any]:
    for name in ("mechanism", "backend"):
        if not isinstance(body, dict) or (
            name not in body and not (name == "backend" and body.get("mechanism") == "jwt")
        ):
            raise invalid(reason="required_field", path=f"root.{name}")
    entry = {key: value for key, value in body.items() if key != "id"}
    if authenticator_id(entry) == PASSWORD_ID:
        algorithm = entry.get("password_hash_algorithm", {})
        if "name" not in algorithm:
            # EMQX tries bcrypt first when nothing is said, and complains in its name (recorded).
            raise invalid(
                reason="required_field",
                path="root.password_hash_algorithm.name",
                matched_type="authn:builtin_db_api/authn_hash:bcrypt_rw_api",
            )
        if algorithm["name"] == "bcrypt":
            entry["password_hash_algorithm"] = {"name": "bcrypt", "salt_rounds": algorithm.get("salt_rounds", 10)}
        elif algorithm["name"] in {"md5", "sha", "sha256", "sha512"}:
            entry["password_hash_algorithm"] = {"salt_position": "prefix"} | algorithm
    return entry


async def authenticators(call: Call) -> Answer:
    """GET /authentication."""
    return Answer([shown(entry) for entry in chain_of(call)])


async def create(call: Call) -> Answer:
    """POST /authentication appends."""
    entry = _checked(await call.body())
    chain = chain_of(call)
    ident = authenticator_id(entry)
    if any(authenticator_id(one) == ident for one in chain):
        raise ApiError(409, "ALREADY_EXISTS", f"Authenticator '{ident}' already exists")
    _write(call, [*chain, entry])
    return Answer(shown(entry))


async def authenticator(call: Call) -> Answer:
    """GET /authentication/:id."""
    chain = chain_of(call)
    return Answer(shown(chain[_index(chain, call.path["id"])]))


async def update(call: Call) -> Answer:
    """PUT /authentication/:id."""
    chain = chain_of(call)
    index = _index(chain, call.path["id"])
    chain[index] = _checked(await call.body())
    _write(call, chain)
    return Answer(shown(chain[index]))


async def delete(call: Call) -> Answer:
    """DELETE /authentication/:id takes its users along."""
    chain = chain_of(call)
    ident = authenticator_id(chain.pop(_index(chain, call.path["id"])))
    if ident == SCRAM_ID:
        call.managed.store.scram_users.clear()
    call.managed.store.authn_users.pop(ident, None)
    _write(call, chain)
    return NO_CONTENT


async def order(call: Call) -> Answer:
    """PUT /authentication/order with all ids."""
    body = await call.body()
    chain = chain_of(call)
    wanted = [str(row.get("id", "")) for row in body] if isinstance(body, list) else []
    known = [authenticator_id(entry) for entry in chain]
    if sorted(wanted) != sorted(known):
        missing = [one for one in known if one not in wanted]
        raise bad_request(f"{{not_found,#{{not_found => {wanted},not_reordered => {missing}}}}}")
    _write(call, [chain[known.index(ident)] for ident in wanted])
    return NO_CONTENT


async def move(call: Call) -> Answer:
    """PUT /authentication/:id/position/:position: front, rear, before:id, after:id."""
    chain = chain_of(call)
    entry = chain.pop(_index(chain, call.path["id"]))
    where, _, other = call.path["position"].partition(":")
    if where in {"front", "rear"}:
        index = 0 if where == "front" else len(chain)
    elif where in {"before", "after"}:
        index = _index(chain, other) + (where == "after")
    else:
        raise bad_request("Invalid parameter. Unknow position")
    chain.insert(index, entry)
    _write(call, chain)
    return NO_CONTENT


def _table(call: Call) -> dict[str, Any]:
    ident = call.path["id"]
    _index(chain_of(call), ident)
    if ident not in _BUILT_IN:
        raise bad_request("User error: unsupported_operation")
    phase = call.managed.cluster.nodes[call.here].auth_phase
    if phase == "open":
        raise internal("error, noproc")
    if phase == "shut":
        raise bad_request("User error: not_initialized")
    store = call.managed.store
    return store.scram_users if ident == SCRAM_ID else store.authn_users.setdefault(PASSWORD_ID, {})


def _shown(user: AuthnUser | ScramUser) -> dict[str, Any]:
    return {"is_superuser": user.is_superuser, "user_id": user.user_id}


async def users(call: Call) -> Answer:
    """GET /authentication/:id/users, newest first."""
    table = _table(call)
    rows = [_shown(user) for user in reversed(table.values())]
    like, superuser = call.query.get("like_user_id"), call.query.get("is_superuser")
    if like is not None:
        rows = [row for row in rows if like in row["user_id"]]
    if superuser is not None:
        rows = [row for row in rows if row["is_superuser"] == (superuser == "true")]
    return Answer(page_of(rows, call.query, fuzzy=like is not None))


def _made(call: Call, user_id: str, password: str, *, superuser: bool) -> AuthnUser | ScramUser:
    entry = chain_of(call)[_index(chain_of(call), call.path["id"])]
    if call.path["id"] == SCRAM_ID:
        rounds = int(entry.get("iteration_count", 4096))
        return new_scram_user(entry.get("algorithm", "sha256"), rounds, user_id, password, superuser, SystemRandom())
    return new_user(
        entry.get("password_hash_algorithm", DEFAULT_ALGORITHM), user_id, password, superuser, SystemRandom()
    )


async def create_user(call: Call) -> Answer:
    """POST /authentication/:id/users; SCRAM answers its own id as the user's, recorded on 5.8.9 and 5.8.11."""
    fields = check.body_fields(await call.body(), _USER, required=("user_id", "password"))
    table = _table(call)
    if fields["user_id"] in table:
        raise ApiError(409, "ALREADY_EXISTS", "User already exists")
    user = _made(call, fields["user_id"], fields["password"], superuser=fields.get("is_superuser", False))
    table[user.user_id] = user
    answer = _shown(user)
    return Answer(answer | ({"user_id": SCRAM_ID} if call.path["id"] == SCRAM_ID else {}), 201)


def _user(call: Call) -> AuthnUser | ScramUser:
    found: AuthnUser | ScramUser | None = _table(call).get(call.path["user"])
    if found is None:
        raise not_found("User not found")
    return found


async def user(call: Call) -> Answer:
    """GET /authentication/:id/users/:user."""
    return Answer(_shown(_user(call)))


async def import_users(call: Call) -> Answer:
    """POST /authentication/:id/import_users?type=hash, multipart with a JSON file: a user that exists is replaced (openapi.stripped.json; not recorded)."""
    table = _table(call)
    async with call.request.form() as form:
        part = form.get("filename")
        raw = await part.read() if isinstance(part, UploadFile) else b""
    try:
        rows = [AuthnUser(**{key: row[key] for key in _IMPORTED}) for row in json.loads(raw)]
    except (ValueError, TypeError, KeyError):
        raise bad_request("bad_format") from None
    if call.path["id"] != PASSWORD_ID or call.query.get("type") != "hash":
        raise bad_request("unsupported")
    replaced = sum(row.user_id in table for row in rows)
    table.update({row.user_id: row for row in rows})
    counts = {"total": len(rows), "success": len(rows) - replaced, "override": replaced, "skipped": 0, "failed": 0}
    return Answer(counts)


async def update_user(call: Call) -> Answer:
    """PUT /authentication/:id/users/:user changes the password, the superuser flag, or both."""
    fields = check.body_fields(await call.body(), _USER)
    old = _user(call)
    superuser = fields.get("is_superuser", old.is_superuser)
    if "password" in fields:
        new = _made(call, old.user_id, fields["password"], superuser=superuser)
    else:
        new = replace(old, is_superuser=superuser)
    _table(call)[new.user_id] = new
    return Answer(_shown(new))


async def delete_user(call: Call) -> Answer:
    """DELETE /authentication/:id/users/:user."""
    del _table(call)[_user(call).user_id]
    return NO_CONTENT


ENDPOINTS = (
    Endpoint("GET", "/authentication", authenticators),
    Endpoint("POST", "/authentication", create),
    Endpoint("PUT", "/authentication/order", order),
    Endpoint("GET", "/authentication/{id}", authenticator),
    Endpoint("PUT", "/authentication/{id}", update),
    Endpoint("DELETE", "/authentication/{id}", delete),
    Endpoint("PUT", "/authentication/{id}/position/{position}", move),
    Endpoint("GET", "/authentication/{id}/users", users),
    Endpoint("POST", "/authentication/{id}/users", create_user),
    Endpoint("POST", "/authentication/{id}/import_users", import_users),
    Endpoint("GET", "/authentication/{id}/users/{user}", user),
    Endpoint("PUT", "/authentication/{id}/users/{user}", update_user),
    Endpoint("DELETE", "/authentication/{id}/users/{user}", delete_user),
)
