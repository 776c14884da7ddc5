"""For any mixture of what is given: each user and each deny of the export is in the result, or in the account as dropped under its own name."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.versions import parse
from components.migration.facts import Facts, Plan
from components.migration.hop_44_5 import Conversion, Options, Source, convert
from components.migration.hop_44_5.result import read_archive
from components.migration.hop_44_5.table import read_users as read_table
from components.migration.loading import add, complete
from components.migration.manifest import Item, Verdict, shorten
from tests.unit.hop_42_43_bed import PATIENT
from tests.unit.hop_44_5_bed import NOW, user

pytestmark = pytest.mark.unit

NAMES = ["export.json", "EXPORT.JSON", "export", "e.txt", "e.json.bak", "e.json.gz", "x.jsonl", "dump"]
LOGIN = st.text(min_size=1, max_size=12).filter(lambda text: text.isprintable())
LEVEL = st.text("abcxyz%$#+ é", min_size=1, max_size=4).filter(lambda text: "#" not in text and "+" not in text)
TOPIC = st.builds(
    lambda levels, tail: "/".join([*levels, *tail]),
    st.lists(LEVEL | st.just("+"), min_size=1, max_size=3),
    st.sampled_from([[], ["#"]]),
)
USERS = st.lists(
    st.tuples(LOGIN, st.sampled_from(["username", "clientid"]), st.sampled_from([b"salt", b"\xff\xfe\0\1"]))
)
DENY = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["username", "clientid", "all"]),
        "type_value": LOGIN,
        "topic": TOPIC,
        "action": st.sampled_from(["pub", "sub", "pubsub"]),
        "access": st.just("deny"),
    },
    optional={"created_at": st.integers(0, 9)},
)
LOADED = [None, "", "{emqx_auth_mnesia, true}.\n", "{emqx_auth_mnesia, false}.\n", "{emqx_auth_http, true}.\n"]
BESIDE = {
    "emqx.conf": "allow_anonymous = true\nacl_nomatch = allow\n",
    "strict/emqx.conf": "allow_anonymous = false\nzone.external.enable_acl = off\n",
    "acl.conf": "{allow, all}.\n",
    "loaded_modules": "{emqx_mod_acl_internal, true}.\n",
    "emqx_auth_mnesia.conf": "auth.user.1.username = meter-1\n",
}


def packed(export: dict[str, Any], wrap: str, *, squeezed: bool) -> bytes:
    text = json.dumps({"filename": "f.json", "file": json.dumps(export)} if wrap == "wrapped" else export)
    data = text.encode("utf-8-sig" if wrap == "marked" else "utf-8")
    return gzip.compress(data) if squeezed else data


def read(files: dict[str, bytes]) -> Source:
    facts = Facts(Plan(parse("4.4.19"), parse("5.8.11"), "ee", "ee"))
    for name, data in files.items():
        facts = add(facts, name, data)
    facts = complete(facts)
    assert facts.export is not None
    settings = tuple(setting for conf in facts.confs or () for setting in conf.settings)
    exported = dict(facts.export.data)
    return Source(exported, facts.export.file, settings, facts.files, facts.kinds, facts.environment)


def users_on_green(conversion: Conversion) -> set[str]:
    table = read_archive(conversion.archive).get("mnesia/emqx_authn_mnesia")
    rows = [row["user_id"] for one in conversion.requests if "import_users" in one.path for row in one.body]
    return {*rows, *(login for login, _, _ in (read_table(table) if table else ()))}


def denies_on_green(conversion: Conversion) -> int:
    """How many there are, whoever they are for."""
    bodies = [one.body for one in conversion.requests if "/rules/" in one.path]
    lists = [one["rules"] for body in bodies for one in (body if isinstance(body, list) else [body])]
    return sum(rule["permission"] == "deny" for rules in lists for rule in rules)


def items(conversion: Conversion, section: str) -> dict[int, Item]:
    return {item.at: item for item in conversion.account.items if item.section == section}


@PATIENT
@given(
    st.sampled_from(NAMES),
    st.sampled_from(["plain", "wrapped", "marked"]),
    st.booleans(),
    USERS,
    st.lists(DENY, max_size=4),
    st.sampled_from(LOADED),
    st.sets(st.sampled_from(sorted(BESIDE))),
    st.sampled_from([{}, {"modules": []}]),
    st.sampled_from(["username", "clientid"]),
)
def test_a_user_and_a_deny_are_on_green_or_dropped_by_name(
    name: str,
    wrap: str,
    squeezed: bool,
    users: list[tuple[str, str, bytes]],
    denies: list[dict[str, Any]],
    loaded: str | None,
    beside: set[str],
    edition: dict[str, Any],
    credential: str,
) -> None:
    rows = [user(login, kind, salt) for login, kind, salt in users]
    export = {"version": "4.4", **edition, "auth_mnesia": rows, "acl_mnesia": denies}
    files = {name: packed(export, wrap, squeezed=squeezed), **{one: BESIDE[one].encode() for one in sorted(beside)}}
    if loaded is not None:
        files["loaded_plugins"] = loaded.encode()
    conversion = convert(read(files), "4.4.19", "5.8.11", Options(credential=credential, now=NOW))

    accounted, green = items(conversion, "auth_mnesia"), users_on_green(conversion)
    assert len(accounted) == len(rows)
    for at, (login, _, _) in enumerate(users):
        assert accounted[at].label == shorten(login)
        assert accounted[at].verdict is Verdict.DROPPED or login in green
    assert green <= {login for login, _, _ in users}

    ruled = items(conversion, "acl_mnesia")
    assert len(ruled) == len(denies)
    for at, deny in enumerate(denies):
        assert shorten(f"{deny['topic']}")[:60] in ruled[at].label
        assert deny["type"] == "all" or shorten(deny["type_value"]) in ruled[at].how
    kept = [at for at in ruled if ruled[at].verdict is not Verdict.DROPPED]
    distinct = {json.dumps({**denies[at], "created_at": 0}, sort_keys=True) for at in kept}
    assert denies_on_green(conversion) >= len(distinct)
