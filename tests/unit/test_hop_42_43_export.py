"""4.2 -> 4.3, the export: every row is carried or named, and users that 4.3 could not check are refused with the way out."""

from __future__ import annotations

import base64
import json
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.versions import parse as version
from components.migration import facts as known
from components.migration.configs import flat
from components.migration.detectors import DETECTORS
from components.migration.facts import Export, Facts
from components.migration.hop_42_43.convert import convert
from components.migration.hop_42_43.export import convert_export, credential_for
from components.migration.manifest import BadSource, Ledger, Verdict
from components.migration.rules import Clear
from tests.unit.hop_42_43_bed import PASSWORD, PATIENT, PLAN, sample, users

pytestmark = pytest.mark.unit


def test_a_genuine_export_of_4_2_11_has_what_every_4_3_reads() -> None:
    ledger = Ledger()
    data = convert_export(sample("v4.2.11.json"), "username", ledger).data
    assert data["version"] == "4.2.11"
    assert data["auth.mnesia.as"] == "username"
    assert data["auth_mnesia"][0] == {
        "login": "user_mnesia",
        "type": "username",
        "password": sample("v4.2.11.json").rows("auth_mnesia")[0]["password"],
    }
    assert data["acl_mnesia"] == []
    changed = [item for item in ledger.account().items if item.verdict is not Verdict.CARRIED]
    assert [(item.section, item.label, item.verdict) for item in changed] == [
        ("auth_mnesia", "user_mnesia", Verdict.CHANGED)
    ]
    facts = Facts(PLAN, export=Export("out.json", data))
    assert DETECTORS["43-02"](facts) == Clear()
    assert DETECTORS["43-40"](facts) == Clear()


def test_users_of_4_2_10_are_refused_with_the_patch_to_go_to() -> None:
    with pytest.raises(BadSource, match=r"v4\.2\.10\.json, auth_clientid.*4\.2\.11.*newest patch"):
        convert_export(sample("v4.2.10.json"), "username", Ledger(), enterprise=False)


def test_users_of_4_2_10_go_into_enterprise_with_their_hash_in_base64() -> None:
    data = convert_export(sample("v4.2.10.json"), "username", Ledger()).data
    before = sample("v4.2.10.json").rows("auth_mnesia")[0]["password"]
    assert base64.b64decode(data["auth_mnesia"][0]["password"]) == before.encode()
    assert data["auth_clientid"] == sample("v4.2.10.json").data["auth_clientid"]


def test_enterprise_4_2_has_types_of_its_own_and_may_have_both() -> None:
    rows = [
        {"login": "u", "type": "username", "password": PASSWORD, "created_at": 1},
        {"login": "u", "type": "clientid", "password": PASSWORD, "created_at": 2},
    ]
    export = Export("e.json", {"version": "4.2", "modules": [], "auth_mnesia": rows})
    known.require_declared(export, version("4.2.9"))
    assert credential_for(export, None, None) is None
    ledger = Ledger()
    assert convert_export(export, None, ledger).data["auth_mnesia"] == rows
    assert [item.verdict for item in ledger.account().items] == [Verdict.CARRIED] * 2


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("4.0", True),
        ("4.0.12", True),
        ("4.0.13", False),
        ("4.1", False),
        ("4.2", True),
        ("4.2.10", True),
        ("4.2.11", False),
    ],
)
def test_open_source_takes_users_from_the_patches_that_4_3_names(said: str, refused: bool) -> None:
    export = Export("e.json", {"version": said, "auth_username": [{"username": "u", "password": PASSWORD}]})
    with pytest.raises(BadSource) if refused else nullcontext():
        convert_export(export, None, Ledger(), enterprise=False)


def test_an_export_of_4_2_10_without_users_is_carried() -> None:
    ledger = Ledger()
    export = sample("v4.2.10-no-auth.json")
    assert convert_export(export, None, ledger).data == export.data
    assert {item.verdict for item in ledger.account().items} == {Verdict.CARRIED}


@pytest.mark.parametrize(
    ("said", "configured", "wanted"),
    [("username", "clientid", None), (None, "username", "clientid"), ("clientid", None, "username")],
)
def test_both_credential_types_are_refused(said: Any, configured: Any, wanted: Any) -> None:
    export = users({"login": "u"}, **({"auth.mnesia.as": said} if said else {}))
    with pytest.raises(BadSource, match="both credential types"):
        credential_for(export, configured, wanted)


def test_no_credential_type_is_refused_only_where_a_user_needs_one() -> None:
    with pytest.raises(BadSource, match="--credential"):
        credential_for(users({"login": "u"}), None, None)
    assert credential_for(users(), None, None) is None


def test_duplicate_users_are_named_and_the_one_that_the_import_keeps_stays() -> None:
    export = users(
        {"login": "u"},
        {"login": "u"},
        auth_username=[{"username": "u", "password": PASSWORD}],
        auth_clientid=[{"clientid": "u", "password": PASSWORD}],
    )
    ledger = Ledger()
    data = convert_export(export, "username", ledger).data
    assert (len(data["auth_mnesia"]), data["auth_username"], len(data["auth_clientid"])) == (1, [], 1)
    dropped = [f"{item.section}[{item.at}]" for item in ledger.account().items if item.verdict is Verdict.DROPPED]
    assert sorted(dropped) == ["auth_mnesia[0]", "auth_username[0]"]


@pytest.mark.parametrize("password", [None, "", "not base64!", "YWJj", 7])
def test_a_password_that_could_never_be_checked_is_named(password: Any) -> None:
    ledger = Ledger()
    assert convert_export(users({"login": "u", "password": password}), "username", ledger).data["auth_mnesia"] == []
    assert ledger.account().items[0].verdict is Verdict.DROPPED


def test_open_source_does_not_take_enterprise_sections() -> None:
    export = users(modules=[{"id": "m", "type": "retainer"}], schemas=[{"name": "s"}])
    for enterprise, verdict in ((True, Verdict.CARRIED), (False, Verdict.DROPPED)):
        ledger = Ledger()
        convert_export(export, None, ledger, enterprise=enterprise)
        assert {item.verdict for item in ledger.account().items} == {verdict}


def test_what_is_no_list_of_an_export_is_named_too() -> None:
    ledger = Ledger()
    convert_export(users(date="2021-04-12", odd={"a": 1}, **{"auth.mnesia.as": "username"}), None, ledger)
    assert [(item.section, item.verdict) for item in ledger.account().items] == [("odd", Verdict.DROPPED)]


def test_a_ban_is_named_by_whom_it_is_for() -> None:
    ledger = Ledger()
    rows = [{"who": {"clientid": "badguy"}}, {"who": ["username", "u"]}, {"who": 7}]
    convert_export(users(blacklist=rows), None, ledger)
    assert [item.label for item in ledger.account().items] == ["clientid badguy", "username u", ""]


NAMES = st.one_of(st.text(max_size=30), st.sampled_from(['"', "'", "\n", "a\r\nb", "ключ", "x" * 65536, "\x00", "%u"]))


@PATIENT
@given(st.lists(NAMES, max_size=20), st.sampled_from(["username", "clientid"]))
def test_any_name_is_carried_or_named_and_survives_as_json(names: list[str], credential: Any) -> None:
    ledger = Ledger()
    done = convert_export(users(*({"login": name} for name in names)), credential, ledger)
    data = json.loads(json.dumps(done.data))
    assert {row["login"] for row in data["auth_mnesia"]} == set(names)
    account = ledger.account()
    assert all(row["source"] == row["carried"] + row["changed"] + row["dropped"] for row in account.tally().values())
    assert len(account.items) == len(names)
    assert PASSWORD not in account.to_json(origin="a", target="b")


def test_100_000_users_have_a_full_account() -> None:
    ledger = Ledger()
    data = convert_export(users(*({"login": f"u{i}"} for i in range(100_000))), "clientid", ledger).data
    assert len(data["auth_mnesia"]) == 100_000
    assert ledger.account().tally()["auth_mnesia"]["carried"] == 100_000


FIELDS = [
    "login",
    "type",
    "type_value",
    "password",
    "topic",
    "action",
    "access",
    "allow",
    "clientid",
    "username",
    "id",
    "name",
    "is_superuser",
    "config",
    "actions",
    "rawsql",
]
WORDS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=5),
    st.lists(st.text(max_size=3), max_size=2),
    st.sampled_from(["username", "all", "pub", "allow", "true", PASSWORD]),
)
ROWS = st.lists(st.dictionaries(st.sampled_from(FIELDS), WORDS, max_size=6), max_size=4)


@PATIENT
@given(
    st.dictionaries(
        st.sampled_from(
            ["auth_mnesia", "acl_mnesia", "auth_username", "auth_clientid", "users", "rules", "resources", "odd"]
        ),
        ROWS,
    ),
    st.sampled_from(["username", None]),
    st.booleans(),
)
def test_whatever_rows_an_export_has_they_are_refused_or_accounted_for(
    sections: dict[str, Any], credential: Any, enterprise: bool
) -> None:
    export = Export("e.json", {"version": "4.2.11", **sections})
    ledger = Ledger()
    done = convert_export(export, credential, ledger, enterprise=enterprise)
    data = json.loads(json.dumps(done.data))
    account = ledger.account()
    listed = {section: rows for section, rows in sections.items() if section != "acl_mnesia"}
    assert sum(account.counts.values()) == len(account.items) == sum(map(len, listed.values()))
    for section, rows in listed.items():
        kept = [item for item in account.items if item.section == section and item.verdict is not Verdict.DROPPED]
        by_request = sum(request.path == f"/{section}" for request in done.requests)
        assert len(kept) == len(data[section]) + by_request or section in {"odd", "users"}
        assert len(data[section]) <= len(rows)
    for row in data.get("auth_mnesia", ()):
        assert row["type"] in {"username", "clientid"}
        assert isinstance(row["password"], str)
        assert isinstance(row["login"], str)
    assert not data.get("acl_mnesia")


@PATIENT
@given(ROWS, ROWS, ROWS, ROWS, st.sampled_from(["username", "clientid"]), st.sampled_from(["ce", "ee"]))
def test_whatever_an_export_has_the_whole_hop_accounts_for_each_row_and_sends_only_rules_that_4_3_takes(
    acl: list[Any], users: list[Any], resources: list[Any], rules: list[Any], credential: Any, edition: Any
) -> None:
    sections = {"acl_mnesia": acl, "auth_mnesia": users, "resources": resources, "rules": rules}
    plan = replace(PLAN, credential=credential, edition_to=edition)
    result = convert(Facts(plan, export=Export("e.json", {"version": "4.2.14", **sections})))
    json.dumps([one.body for one in result.requests])
    for section, rows in sections.items():
        assert sum(item.section == section for item in result.account.items) == len(rows)
    for body in (one.body for one in result.requests if (one.method, one.path) == ("POST", "/acl")):
        assert body["topic"]
        assert body["access"] in {"allow", "deny"}
        assert body["action"] in {"pub", "sub", "pubsub"}
        assert all(body[one] and isinstance(body[one], str) for one in ("username", "clientid") if one in body)


def test_a_plan_and_a_file_that_disagree_on_the_credential_type_are_refused() -> None:
    facts = Facts(
        replace(PLAN, credential="clientid"),
        confs=(flat.parse("emqx_auth_mnesia.conf", "auth.mnesia.as = username\n"),),
    )
    with pytest.raises(BadSource, match="both credential types"):
        convert(facts)


def test_half_a_character_in_a_name_is_written_as_it_was_read() -> None:
    export = known.read_export(
        "e.json", json.dumps({"version": "4.2.11", "auth_mnesia": [{"login": "\ud800", "password": PASSWORD}]})
    )
    text = convert(Facts(replace(PLAN, credential="username"), export=export)).texts["e.json"]
    assert json.loads(text.encode())["auth_mnesia"][0]["login"] == "\ud800"
