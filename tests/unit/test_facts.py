"""What is read is what was given: a damaged, foreign or wrongly declared file is refused with file, place and remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.cutover.versions import parse
from components.migration.configs import hocon
from components.migration.configs.terms import parse_loaded
from components.migration.facts import Export, Facts, Plan, read_export, require_declared
from components.migration.loading import add, load
from components.migration.manifest import BadSource

pytestmark = pytest.mark.unit
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no fault of the code."""

SAMPLES = Path(__file__).parent / "recordings/migration/samples"


def plan(source: str, target: str = "5.8.11") -> Plan:
    return Plan(parse(source), parse(target))


USER44 = {"login": "u", "type": "username", "password": "p", "created_at": 1}
USER42 = {"login": "u", "password": "p"}

DECLARED: dict[str, tuple[str, dict[str, Any], str]] = {
    "4.3 given as 4.4": ("4.4.19", {"version": "4.3"}, "an export of 4.3, declared as 4.4.19"),
    "4.4 given as 4.2": ("4.2.14", {"version": "4.4"}, "an export of 4.4, declared as 4.2.14"),
    "no version of ours": ("4.4.19", {"version": "new"}, "an export of new"),
    "4.4 rows that say 4.2": ("4.2.14", {"version": "4.2", "auth_mnesia": [USER44]}, "they have a type"),
    "4.2 rows that say 4.4": ("4.4.19", {"version": "4.4", "auth_mnesia": [USER42]}, "they have no type"),
    "4.2 rows that say 4.3": ("4.3.22", {"version": "4.3", "auth_mnesia": [USER42]}, "they have no type"),
    "two shapes": ("4.4.19", {"version": "4.4", "auth_mnesia": [USER42, USER44]}, "with and without a credential type"),
    "sections of 4.2": ("4.4.19", {"version": "4.4", "auth_username": []}, "sections that ended with 4.2"),
    "rules of 4.4 that say 4.2": (
        "4.2.14",
        {"version": "4.2", "acl_mnesia": [{"login": "u", "created_at": 1}]},
        "created_at",
    ),
}


@pytest.mark.parametrize("what", DECLARED)
def test_an_export_of_another_version_than_declared_is_refused(what: str) -> None:
    source, data, words = DECLARED[what]
    with pytest.raises(BadSource, match=rf"e\.json.*{words}.*Remedy: "):
        require_declared(Export("e.json", data), parse(source))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("v4.2.10.json", "4.2.10"),
        ("v4.2.10-no-auth.json", "4.2.10"),
        ("v4.2.11.json", "4.2.11"),
        ("v4.4.19.json", "4.4.19"),
    ],
)
def test_genuine_exports_are_what_they_were_declared_as(name: str, source: str) -> None:
    facts = load(plan(source), (SAMPLES / name,))
    assert facts.export is not None
    assert facts.export.rows("users")
    assert facts.confs is None


BAD_JSON = {
    "truncated": ('{"version": "4.4", "rules": [', "line 1, column"),
    "not JSON": ("version = 4.4", "no JSON"),
    "a list": ("[]", "no export of EMQX"),
    "a number": ("7", "no export of EMQX"),
    "no version": ("{}", "no export of EMQX"),
    "a version that is no text": ('{"version": 4.4}', "no export of EMQX"),
    "rows that are none": ('{"version": "4.4", "users": [1]}', r"users\[0\]: a row that is no object"),
    "too deep": ('{"version": "4.4", "x": ' + "[" * 100_000, "no JSON"),
    "nothing": ("", "no JSON"),
    "a section that is none": ('{"version": "4.4", "auth_mnesia": 5}', "auth_mnesia: a section that is no list"),
    "not a number": ('{"version": "4.4", "x": NaN}', "no JSON"),
    "too long a number": ('{"version": "4.4", "x": ' + "9" * 5000 + "}", "no JSON"),
}


@pytest.mark.parametrize("what", BAD_JSON)
def test_a_file_that_is_no_export_is_refused(what: str) -> None:
    text, words = BAD_JSON[what]
    with pytest.raises(BadSource, match=rf"e\.json.*{words}.*Remedy: "):
        read_export("e.json", text)


GENUINE = (SAMPLES / "v4.4.19.json").read_text(encoding="utf-8")


@PATIENT
@given(st.integers(0, len(GENUINE.rstrip()) - 1))
def test_a_truncated_export_is_refused_wherever_it_ends(length: int) -> None:
    with pytest.raises(BadSource):
        read_export("e.json", GENUINE[:length])


@PATIENT
@given(
    st.binary(max_size=200),
    st.sampled_from(["e.json", "emqx.conf", "loaded_plugins", "acl.conf", "cluster.hocon", "x.tar.gz", "notes.txt"]),
    st.sampled_from(["4.2.14", "4.4.19", "5.8.11"]),
)
def test_any_bytes_under_any_name_are_read_or_refused(data: bytes, name: str, source: str) -> None:
    try:
        assert isinstance(add(Facts(plan(source)), name, data), Facts)
    except BadSource as error:
        assert error.file.startswith(name)  # noqa: PT017 - refusing is as right as reading
        assert error.remedy  # noqa: PT017 - as above


def test_a_file_that_is_no_utf8_is_named_with_its_line() -> None:
    with pytest.raises(BadSource, match=r"emqx\.conf, line 2: bytes that are no UTF-8"):
        add(Facts(plan("4.4.19")), "emqx.conf", b"a.b = c\nd.e = \xff\n")


def test_a_second_export_is_refused() -> None:
    facts = add(Facts(plan("4.4.19")), "a.json", b'{"version": "4.4"}')
    with pytest.raises(BadSource, match="a second export"):
        add(facts, "b.json", b'{"version": "4.4"}')


def test_loaded_plugins_that_are_no_terms_are_named_with_their_line() -> None:
    with pytest.raises(BadSource, match=r"loaded_plugins, line 2"):
        parse_loaded("loaded_plugins", "{emqx_retainer, true}.\n{emqx_retainer, perhaps}.\n")
    assert [fact.enabled for fact in parse_loaded("l", "{a, true}.\n{'b', false}. %% c\n\n")] == [True, False]


def test_a_directory_gives_its_settings_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "certs").mkdir()
    for name, text in {
        "emqx.conf": "a.b = c",
        "acl.conf": "{allow, all}.",
        "loaded_plugins": "{x, true}.",
        "plugins/emqx_retainer.conf": "d.e = f",
        "certs/key.pem": "secret",
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    facts = load(plan("4.4.19"), (tmp_path,))
    assert [Path(conf.file).name for conf in facts.confs or ()] == ["emqx.conf", "emqx_retainer.conf"]
    assert [Path(name).name for name in facts.files] == [
        "acl.conf",
        "emqx.conf",
        "loaded_plugins",
        "emqx_retainer.conf",
    ]
    assert facts.acl
    assert facts.plugins
    assert facts.texts is None


def test_a_conf_of_5_x_is_hocon(tmp_path: Path) -> None:
    (tmp_path / "emqx.conf").write_text('mqtt { retry_interval = "30s" }', encoding="utf-8")
    facts = load(plan("5.8.11", "5.9.3"), (tmp_path,))
    assert facts.confs is None
    assert facts.hocons is not None
    assert list(facts.hocons[0].find("mqtt.*")) == [("mqtt.retry_interval", "30s")]


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_a_source_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadSource, match="Remedy: name"):
        load(plan("4.4.19"), (tmp_path / name,))


def test_a_path_of_hocon_has_a_line() -> None:
    file = hocon.parse("c", 'a {\n  # b = 1\n  "b" = 2\n  list = [{x = 1}, {x = 2}]\n}\n')
    assert file.line("a.b") == 3
    assert [path for path, _ in file.find("a.list.*.x")] == ["a.list.0.x", "a.list.1.x"]
    assert file.line("nothing.here") is None
    assert file.line("a.missing") == 1
    text = "actions.http.x { connector = wh }\nconnectors {\n  http {\n    wh {}\n  }\n}\n"
    assert hocon.parse("c", text).line("connectors.http.wh") == 4
    assert json.loads(json.dumps(file.tree)) == file.tree


def test_more_plugins_than_any_node_has_are_refused() -> None:
    with pytest.raises(BadSource, match=r"line 10001: more than 10,000 plugins"):
        parse_loaded("loaded_plugins", "{emqx_x, true}.\n" * 10_001)
