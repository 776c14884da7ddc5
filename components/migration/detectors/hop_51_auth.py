"""Detectors of 4.4 -> 5.1 for who may come in and do what: rules 51-09 to 51-20 and 51-35 to 51-37."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from components.migration.configs.terms import Loaded
from components.migration.detectors.base import (
    CLEAR,
    Verdicts,
    block_of,
    every,
    exported,
    first,
    found,
    loaded,
    measured,
    modules,
)
from components.migration.detectors.hop_51 import EXPORT, FILES, PLUGINS
from components.migration.detectors.set_by import by_variable, place, settings
from components.migration.facts import Export, Facts
from components.migration.permissions.overlap import contradictions
from components.migration.rules import Detector, Finding, Place, Question

PLACEHOLDER = re.compile(r"%(?:cida|cna|cn|dn|[ucaPCd])(?![A-Za-z])")
DEFAULT_COLLECTION = ("acl_query_collection", "mqtt_acl")
"""Every module of Enterprise for MongoDB has it, whether permissions are asked for or not."""
AUTH_PLUGIN = re.compile(r"emqx_auth_[a-z]+|emqx_sasl|emqx_psk_file")


def backend(pattern: str, where: Callable[[str], bool] = lambda _: True) -> Detector:
    """A setting of authentication that is in use, be it of a plugin's file (open source) or of a module in the export (Enterprise)."""
    key = re.compile(pattern)

    def detect(facts: Facts) -> Finding:
        if facts.confs is None and (facts.export is None or "modules" not in facts.export.data):
            return Question(FILES)
        return found(spot for spot, name, value in _in_use(facts) if key.fullmatch(name) and where(value))

    return detect


def _on(facts: Facts) -> list[Loaded]:
    """The plugins that are on, by the file of the node or the variable of its image."""
    return [one for one in (*(facts.plugins or ()), *by_variable(facts)) if one.enabled]


def _in_use(facts: Facts) -> Iterator[tuple[Place, str, str]]:
    """Place, key and value of the ``auth.`` settings that count; 4.x ships files full of settings for plugins that are not loaded."""
    enabled = None if facts.plugins is None else {one.name for one in _on(facts)}
    for one in settings(facts):
        if one.key.startswith("auth.") and (enabled is None or f"emqx_auth_{one.key.split('.')[1]}" in enabled):
            yield place(one), one.key, one.value
    for index, row in enumerate(facts.export.rows("modules") if facts.export else ()):
        kind = str(row.get("type"))
        if kind.endswith("_authentication") and row.get("enabled") is not False:
            config = block_of(row, "config")
            for name, value in config.items():
                if (name, value) == DEFAULT_COLLECTION and not config.get("acl_query_selectors"):
                    continue  # without selectors 4.4 asks nothing of it
                # A module's acl_query_selectors is the file's acl_query.selectors.
                key = f"auth.{kind.removesuffix('_authentication')}.{name.replace('_query_', '_query.')}"
                yield (
                    Place(facts.export.file if facts.export else "", item=f"modules[{index}].config.{name}"),
                    key,
                    str(value or ""),
                )


def _authenticates(facts: Facts) -> bool:
    """Whether something besides allow_anonymous decides who comes in."""
    modules = facts.export.rows("modules") if facts.export else []
    plugins = any(AUTH_PLUGIN.fullmatch(fact.name) for fact in _on(facts))
    if facts.plugins is None and not modules and not plugins:
        return any(setting.key.startswith("auth.") for setting in settings(facts))
    return plugins or any(str(row.get("type")).endswith("_authentication") for row in modules)


def _anonymous(facts: Facts) -> Finding:
    if facts.confs is None:
        return Question(FILES)
    open_door = re.compile(r"(zone\.[^.]+\.)?allow_anonymous" if _authenticates(facts) else r"(?!)")
    bypass = re.compile(r"(zone\.[^.]+\.)?bypass_auth_plugins")
    return found(
        place(one)
        for one in settings(facts)
        if one.value == "true" and (open_door.fullmatch(one.key) or bypass.fullmatch(one.key))
    )


def _placeholders(facts: Facts) -> Finding:
    if facts.confs is None and facts.export is None and facts.acl is None:
        return Question(f"{EXPORT}, and {FILES}")
    places = [spot for spot, _, value in _in_use(facts) if PLACEHOLDER.search(value)]
    for text in facts.acl or ():
        lines = enumerate(text.text.splitlines(), start=1)
        places += [
            Place(text.file, number) for number, line in lines if PLACEHOLDER.search(re.sub(r"%%.*|^\s*%.*", "", line))
        ]
    if facts.export is not None:
        places += [Place(facts.export.file, item=item) for item in _placeholder_items(facts.export)]
    return found(places)


def _placeholder_items(export: Export) -> Iterable[str]:
    for index, row in enumerate(export.rows("acl_mnesia")):
        if PLACEHOLDER.search(str(row.get("topic"))):
            yield f"acl_mnesia[{index}]"


def _credential_types(export: Export) -> list[str]:
    types = {str(row.get("type")) for row in export.rows("auth_mnesia")}
    return ["auth_mnesia"] if len(types) > 1 else []


def _no_chain(facts: Facts) -> Finding:
    """An open source export has no modules, so its chain must come from the files; given those, our conversion writes it."""
    if facts.export is None:
        return Question(EXPORT)
    if "modules" in facts.export.data or facts.confs is not None:
        return CLEAR
    if facts.plugins is None and not facts.export.rows("auth_mnesia"):
        return Question(f"{PLUGINS}, and {FILES}: the export does not say how clients log in")
    users = [Place(facts.export.file, item="auth_mnesia")] if facts.export.rows("auth_mnesia") else []
    plugins = [Place(one.file, one.line, one.name) for one in _on(facts) if AUTH_PLUGIN.fullmatch(one.name)]
    return found(plugins or (users if facts.plugins is None else []))


def _no_match(facts: Facts) -> Finding:
    if facts.confs is None:
        return Question(f"is acl_nomatch = deny on the old cluster? {FILES}")
    if any(True for whole in facts.in_effect for _ in whole.find("authorization.no_match")):
        return CLEAR
    return found(
        place(one)
        for one in settings(facts)
        if one.key in {"acl_nomatch", "acl_deny_action"} and one.value in {"deny", "disconnect"}
    )


def _word(command: str) -> str:
    return command.split(" ", maxsplit=1)[0].upper()


DETECTORS: Verdicts = {
    "51-09": _anonymous,
    "51-10": _placeholders,
    "51-11": backend(r"auth\.[a-z]+\.super_(query|cmd|req)(\..+)?", bool),
    "51-12": every(
        first(
            backend(r"auth\.http\.(auth|acl)_req(\.url)?"),
            modules("^http_authentication$", EXPORT),
        ),
        measured(
            lambda live: None if live.green_http_auth_has_body is None else not live.green_http_auth_has_body,
            'does the HTTP server answer 200 with {"result": "allow"} or "deny" as JSON?',
            "answer of the HTTP authentication server",
        ),
    ),
    "51-13": first(loaded("emqx_sasl", PLUGINS), modules("sasl|scram", EXPORT)),
    "51-14": exported(_credential_types, EXPORT),
    "51-15": first(
        backend(r"auth\.redis\.auth_cmd", lambda value: _word(value) not in {"", "HGET", "HMGET"}),
        backend(r"auth\.redis\.acl_cmd", lambda value: _word(value) not in {"", "HGETALL"}),
    ),
    "51-16": backend(r"auth\.pgsql\.(query_timeout|encoding)"),
    "51-17": backend(r"auth\.(mysql|pgsql)\.acl_query", bool),
    "51-18": backend(r"auth\.mongo\.acl_query(\..+)?", bool),
    "51-19": first(
        lambda facts: (
            Question("give acl.conf of a 4.4 node")
            if facts.acl is None
            else found(
                Place(text.file, number)
                for text in facts.acl
                for number, line in enumerate(text.text.splitlines(), start=1)
                if re.search(r"\bpubsub\b", line.split("%", 1)[0])
            )
        ),
        exported(
            lambda export: [
                f"acl_mnesia[{i}]" for i, row in enumerate(export.rows("acl_mnesia")) if row.get("action") == "pubsub"
            ],
            EXPORT,
        ),
    ),
    "51-20": backend(r"auth\.[a-z]+\.password_hash", lambda value: re.search("bcrypt|pbkdf2|salt", value) is not None),
    "51-35": exported(lambda export: contradictions(export.rows("acl_mnesia")), EXPORT),
    "51-36": _no_chain,
    "51-37": _no_match,
}
