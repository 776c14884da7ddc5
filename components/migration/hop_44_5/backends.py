"""Databases and servers that 4.4 asks about passwords and permissions, as authenticators and sources of 5.x.

The rule kept here: what 5.x reads differently is written down as a note, and a source that could miss a deny is `unsure`,
so that nothing behind it may allow (hop_44_5/chain.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from components.migration.hop_44_5.values import (
    HTTP_PLACEHOLDERS,
    file_text,
    filled,
    foreign_placeholders,
    hash_algorithm,
    modes,
    number,
    placed,
    tls,
    truth,
)

Json = dict[str, Any]
SUPERUSER = "5.x has no query for superusers: is_superuser must come with the answer to the login; until then the ACL is for them too"
ACL_DATA = "its permissions must be rewritten to 5.x's form; until then what stands behind it in the chain is off and the rest is denied"

TOKENS = (
    "5.x asks the rules in a token before all others, 4.4 asked them behind another source, which could deny what they allow: "
    "they are not read, what stands behind them is off and the rest is denied"
)


NO_SUPERUSER = (
    "nobody_is_superuser"  # 5.x reads the field is_superuser where it is not told another; 4.4 did not ask for it
)


class Backend(NamedTuple):
    """One back end; either half may be missing; ``unread`` are the names in its configuration that nothing was made of."""

    authenticator: Json | None
    source: Json | None
    notes: tuple[str, ...]
    refused: str = ""
    unread: tuple[str, ...] = ()


def redis(config: Mapping[str, Any]) -> Backend:
    """``auth_cmd``, ``acl_cmd``; only HGET and HMGET of a password are known to 5.x."""
    kind = str(config.get("type") or "single")
    base: Json = {"redis_type": kind, "pool_size": number(config.get("pool_size"), 8), "ssl": _ssl(config)}
    base |= filled({"password": config.get("password")})
    server = str(config.get("server") or config.get("servers") or "")
    base |= {"server": server} if kind == "single" else {"servers": server}
    if kind != "cluster":
        base["database"] = number(config.get("database"), 0)
    if kind == "sentinel":
        base["sentinel"] = str(config.get("sentinel") or "mymaster")
    command, notes = str(config.get("auth_cmd") or "").strip(), _super(config, "super_cmd")
    fields = command.split()
    refused = ""
    authenticator = None
    if (
        command
        and len(fields) > 2
        and fields[0].upper() in ("HGET", "HMGET")
        and {"password", "password_hash"} & set(fields[2:])
    ):
        asked = [field for field in fields if field != "is_superuser"]  # 4.4 read it and did nothing with it
        authenticator = {**_password_based("redis", config), **base, "cmd": placed(" ".join(asked))}
    elif command:
        refused = "its auth_cmd is not HGET or HMGET of password or password_hash, and 5.x knows no other"
    acl = str(config.get("acl_cmd") or "").strip()
    source = {"type": "redis", "enable": True, **base, "cmd": placed(acl)} if acl else None
    return Backend(authenticator, source, (*notes, *_placeholder_notes(command, acl)), refused)


def mysql(config: Mapping[str, Any]) -> Backend:
    """``auth_query``, ``acl_query``."""
    return _sql("mysql", config)


def postgresql(config: Mapping[str, Any]) -> Backend:
    """``auth_query``, ``acl_query``."""
    return _sql("postgresql", config)


def _sql(kind: str, config: Mapping[str, Any]) -> Backend:
    base: Json = {
        "server": str(config.get("server") or ""),
        "database": str(config.get("database") or "mqtt"),
        "username": str(config.get("user") or config.get("username") or "root"),
        "pool_size": number(config.get("pool_size"), 8),
        "ssl": _ssl(config),
    } | filled({"password": config.get("password")})
    query, acl = str(config.get("auth_query") or "").strip(), str(config.get("acl_query") or "").strip()
    notes = [*_super(config, "super_query"), *_placeholder_notes(query, acl)]
    authenticator = (
        {**_password_based(kind, config), **base, "query": placed(_named_columns(query, notes))} if query else None
    )
    source = {"type": kind, "enable": True, **base, "query": placed(acl)} if acl else None
    return Backend(authenticator, source, tuple(notes))


def _named_columns(query: str, notes: list[str]) -> str:
    """5.x finds the password and the salt by the names of their columns."""
    found = re.fullmatch(r"(?is)(select\s+)(.+?)(\s+from\s+.*)", query)
    columns = [column.strip() for column in found[2].split(",")] if found else []
    if found is None or len(columns) > 2:
        notes.append("its query could not be read: its columns must be named password_hash and salt")
        return query
    names = ("password_hash", "salt")
    aliased = [
        column if re.search(r"(?i)\bas\s+\w+$|^(password|password_hash|salt)$", column) else f"{column} as {name}"
        for column, name in zip(columns, names, strict=False)
    ]
    return f"{found[1]}{', '.join(aliased)}{found[3]}"


def mongodb(config: Mapping[str, Any]) -> Backend:
    """``auth_query``, ``acl_query`` with collections and selectors."""
    kind = str(config.get("type") or "single")
    if kind == "unknown":
        return Backend(None, None, (), "its topology is 'unknown', which 5.x does not take: say single, rs or sharded")
    base = _mongo_base(config, kind)
    collection, acl = str(config.get("auth_query_collection") or ""), str(config.get("acl_query_collection") or "")
    asks = bool(config.get("super_query_collection")) and str(config.get("super_query") or "on").lower() != "off"
    notes = [SUPERUSER] if asks else []
    authenticator = None
    if collection:
        named = {**config, "password_hash": config.get("auth_query_password_hash") or "sha256"}
        fields = [field.strip() for field in str(config.get("auth_query_password_field") or "password").split(",")]
        authenticator = {
            **_password_based("mongodb", named),
            **base,
            "collection": collection,
            "password_hash_field": fields[0],
        }
        authenticator["filter"] = _filter([config.get("auth_query_selector")])
        authenticator |= {"salt_field": fields[1]} if len(fields) > 1 else {}
        authenticator |= {} if asks else {"is_superuser_field": NO_SUPERUSER}
    selectors = config.get("acl_query_selectors") or []
    wanted = [one.get("acl_query_selector") if isinstance(one, Mapping) else one for one in selectors]
    source = (
        {"type": "mongodb", "enable": True, **base, "collection": acl, "filter": _filter(wanted)}
        if acl and wanted
        else None
    )
    return Backend(authenticator, source, tuple(notes))


def _mongo_base(config: Mapping[str, Any], kind: str) -> Json:
    """What authenticator and source have in common: how the database is reached."""
    base: Json = {
        "mongo_type": kind,
        "database": str(config.get("database") or "mqtt"),
        "pool_size": number(config.get("pool_size"), 8),
        "srv_record": truth(config.get("srv_record")),
        "ssl": _ssl(config),
    }
    server = str(config.get("server") or "")
    base |= {"server": server} if kind == "single" else {"servers": server}
    optional = {"username": "login", "password": "password", "auth_source": "auth_source"}
    base |= filled({new: config.get(old) for new, old in optional.items()}) | modes(config, "w_mode")
    if kind == "rs":
        base |= {"replica_set_name": config.get("rs_set_name") or "rs0"} | modes(config, "r_mode")
    return base


def _filter(selectors: list[Any]) -> Json:
    pairs = [pair.split("=", 1) for text in selectors for pair in str(text or "").split(",") if "=" in pair]
    return {key.strip(): placed(value.strip()) for key, value in pairs}


def http(config: Mapping[str, Any]) -> Backend:
    """``auth_req``, ``acl_req``; 5.x wants a JSON answer, 4.4's servers say it by the status."""
    base: Json = {"pool_size": number(config.get("pool_size"), 8)}
    pipelining = config.get("enable_pipelining", config.get("http_opts_pipelining"))
    base |= {"enable_pipelining": 100 if truth(pipelining) else 1} if pipelining is not None else {}
    base |= filled(
        {"connect_timeout": config.get("http_opts_connect_timeout"), "request_timeout": config.get("http_opts_timeout")}
    )
    notes = [
        'its server must answer 200 with {"result": "allow" | "deny" | "ignore"}; a status alone says nothing to 5.x'
    ]
    notes += [SUPERUSER] if config.get("super_req") else []
    halves: dict[str, Json | None] = {}
    for half, names in (
        ("auth", {k: v for k, v in HTTP_PLACEHOLDERS.items() if k not in "Atm"}),
        ("acl", HTTP_PLACEHOLDERS),
    ):
        url, params = str(config.get(f"{half}_req") or "").strip(), str(config.get(f"{half}_req_params") or "")
        notes += [f"{name} has no counterpart" for name in foreign_placeholders(params, names)]
        notes += ["%A was 1 or 2, ${action} is subscribe or publish"] if "%A" in params else []
        pairs = [pair.split("=", 1) for pair in params.split(",") if "=" in pair]
        body = {key.strip(): placed(value.strip(), names) for key, value in pairs}
        ssl = tls(config, enabled=url.startswith("https"))
        halves[half] = (
            {**base, **_request(config, half), "url": url, "body": body, "ssl": ssl, "enable": True} if url else None
        )
    authenticator, source = halves["auth"], halves["acl"]
    return Backend(
        {"mechanism": "password_based", "backend": "http", **authenticator} if authenticator else None,
        {"type": "http", **source} if source else None,
        tuple(notes),
    )


def _request(config: Mapping[str, Any], half: str) -> Json:
    """Method and headers; the modules of Enterprise have them once, the files of open source for each of the two."""
    method, kind, headers = (config.get(key) for key in ("method", "req_content_type", "http_headers"))
    if half == "acl":
        own = (config.get(key) for key in ("acl_method", "acl_content_type", "acl_headers"))
        method, kind, headers = (one or other for one, other in zip(own, (method, kind, headers), strict=True))
    content = {"content-type": str(kind or "application/x-www-form-urlencoded")}
    return {"method": str(method or "post").lower(), "headers": {**dict(headers or {}), **content}}


DISCONNECT_SINCE = (5, 7)  # rule 57-01: true by default, and 4.4 let such clients stay
JWT_KEYS = {"jwks": "jwks_addr", "public-key": "pubkey", "hmac-based": "secret"}


def jwt(config: Mapping[str, Any], chosen: str, target: tuple[int, int]) -> Backend:
    """One key source; ``refused`` where there are several and none is chosen."""
    given = {kind: text for kind, key in JWT_KEYS.items() if (text := file_text(config.get(key)).strip())}
    if len(given) > 1 and chosen not in given:
        return Backend(
            None,
            None,
            (),
            f"it has {len(given)} key sources ({', '.join(given)}) and 5.x takes one: choose with --jwt-key",
        )
    if not given:
        return Backend(None, None, (), "it has no key source")
    kind = chosen if chosen in given else next(iter(given))
    claims = dict(config.get("claims") or {}) if truth(config.get("verify_claims")) else {}
    authenticator: Json = {
        "mechanism": "jwt",
        "enable": True,
        "from": str(config.get("from") or "password"),
        "acl_claim_name": str(config.get("acl_claim_name") or "acl"),
        "verify_claims": {name: placed(str(value)) for name, value in claims.items()},
    }
    if target >= DISCONNECT_SINCE:
        authenticator["disconnect_after_expire"] = False
    authenticator |= {
        "jwks": {"use_jwks": True, "endpoint": given[kind], "ssl": {"enable": given[kind].startswith("https")}},
        "public-key": {"use_jwks": False, "algorithm": "public-key", "public_key": given[kind]},
        "hmac-based": {"use_jwks": False, "algorithm": "hmac-based", "secret": given[kind]},
    }[kind]
    notes = (
        "placeholders %u and %c in ACL claims of tokens must become ${username} and ${clientid}",
        "a token with the claim is_superuser = true is a superuser's in 5.x: make none",
        *(() if len(given) == 1 else (f"only its key source {kind}",)),
    )
    return Backend(authenticator, None, notes)


def _ssl(config: Mapping[str, Any]) -> Json:
    return tls(config, enabled=truth(config.get("ssl")))


def _password_based(kind: str, config: Mapping[str, Any]) -> Json:
    algorithm = hash_algorithm(str(config.get("password_hash") or "sha256"))
    return {"mechanism": "password_based", "backend": kind, "enable": True, "password_hash_algorithm": algorithm}


def _super(config: Mapping[str, Any], key: str) -> list[str]:
    return [SUPERUSER] if str(config.get(key) or "").strip() else []


def _placeholder_notes(*texts: str) -> list[str]:
    return [f"{name} has no counterpart" for text in texts for name in foreign_placeholders(text)]


BACKENDS: Mapping[str, Callable[[Mapping[str, Any]], Backend]] = {
    "redis": redis,
    "mysql": mysql,
    "pgsql": postgresql,
    "mongo": mongodb,
    "http": http,
}
