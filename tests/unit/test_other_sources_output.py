"""What other sources of 4.4 become beside the chains: schemas, topics, keys, files of the nodes; and which sources are refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from components.cutover.versions import parse
from components.migration.configs import hocon
from components.migration.facts import Plan
from components.migration.hop_44_5 import BadSource
from components.migration.hop_44_5.result import read_archive
from components.migration.loading import load
from lab.node.archive import rows as tables
from lab.node.kept.store import Store
from lab.node.rules.passwords import secret_fits
from tests.unit.other_sources_bed import SAMPLES, hows, run

pytestmark = pytest.mark.unit


def schema(name: str, kind: str = "avro", text: str = "{}") -> dict[str, Any]:
    return {"id": name, "name": name, "parser_type": kind, "schema": text, "descr": "d"}


@pytest.mark.parametrize(
    ("to", "edition", "sent"), [("5.8.11", "ee", 2), ("5.4.1", "ee", 1), ("5.8.11", "ce", 0), ("5.10.4", "ce", 2)]
)
def test_schemas_go_to_the_registry_of_versions_that_have_it(to: str, edition: str, sent: int) -> None:
    rows = [schema("a"), schema("a", text="[]"), schema("j", "json"), schema("x", "3rd-party"), {"name": 5}]
    conversion = run({"schemas": rows}, to=to, edition=edition)
    bodies = [request.body for request in conversion.requests if request.path == "/schema_registry"]
    assert len(bodies) == sent
    assert len(hows(conversion, "schemas")) == len(rows)
    assert not sent or bodies[0] == {"type": "avro", "name": "a", "source": "[]", "description": "d"}


def test_topics_that_are_counted_are_counted_on_green() -> None:
    module = {"type": "topic_metrics", "enabled": True, "config": {"topics": ["a/b", {"topic": "c"}]}}
    conversion = run({"modules": [module]})
    assert [one.body for one in conversion.requests if "topic_metrics" in one.path] == [
        {"topic": "a/b"},
        {"topic": "c"},
    ]
    assert hows(conversion, "modules")[0][0] == "carried"
    assert hows(run({"modules": [{**module, "config": {}}]}), "modules")[0][0] == "dropped"


FILES = {"apps": [{"id": "a", "secret": "s", "status": True}]}


def test_files_that_emqx_opens_as_they_are_named_have_no_variable_in_their_name() -> None:
    base = json.loads(run(FILES).bootstrap["base.hocon"])
    assert base["api_key"]["bootstrap_file"] == "etc/api-keys.txt"


@pytest.mark.parametrize(
    ("to", "line"), [("5.3.2", "a:s\n"), ("5.4.1", "a:s:administrator\n"), ("6.0.1", "a:s:administrator\n")]
)
def test_a_key_has_a_role_from_the_version_on_that_has_roles(to: str, line: str) -> None:
    assert run(FILES, to=to).bootstrap["api-keys.txt"] == line


def test_keys_are_imported_where_somebody_logs_in_with_their_ends_and_without_our_own() -> None:
    apps = [*FILES["apps"], {"id": "b", "secret": "t", "status": True, "expired": 1_900_000_000, "name": "shop"}]
    apps.append({"id": "upgrade-green", "secret": "planted", "status": True})
    options: dict[str, Any] = {"keys_by_archive": True, "own_key": "upgrade-green"}
    conversion = run({"apps": apps}, **options)
    assert "api-keys.txt" not in conversion.bootstrap
    assert "base.hocon" not in conversion.bootstrap, "no node needs a file of keys"
    assert conversion.keys is not None
    name, archive = conversion.keys
    assert name != conversion.archive_name
    parts = read_archive(archive)
    assert set(parts) == {"META.hocon", "cluster.hocon", "mnesia/emqx_app"}, "what a key may import has none of it"
    store = Store()
    tables.restore(store, "emqx_app", tables.parse("emqx_app", parts["mnesia/emqx_app"]))
    kept = {one.key: one for one in store.api_keys.values()}
    assert (kept["a"].expires, kept["b"].expires) == (None, 1_900_000_000)
    assert secret_fits("s", kept["a"].secret_hash)
    assert not secret_fits("t", kept["a"].secret_hash)
    assert hows(conversion, "apps")[2] == ("dropped", "green has a key of this name, by which this program works there")
    assert b"planted" not in archive
    assert run({"apps": apps}, to="5.3.2", **options).keys is None, "of a version before roles no row was ever seen"


@pytest.mark.parametrize("to", ["5.1.6", "5.6.1", "5.8.3"])
def test_before_5_8_4_there_is_no_base_hocon_and_the_settings_are_for_emqx_conf(to: str) -> None:
    bootstrap = run(FILES, {"listener.tcp.external": "1883"}, to=to).bootstrap
    assert "base.hocon" not in bootstrap
    read = hocon.parse("emqx.conf", 'node.name = "emqx@127.0.0.1"\n' + bootstrap["for-emqx.conf"])
    assert str(read.tree["listeners"]["tcp"]["default"]["bind"]) == "1883"
    assert read.tree["api_key"]["bootstrap_file"] == "etc/api-keys.txt"


def test_the_manifest_in_pieces_is_the_manifest() -> None:
    conversion = run({"schemas": [schema("a")]})
    assert b"".join(conversion.pieces()["manifest.json"]) == conversion.files()["manifest.json"]
    assert len(list(conversion.pieces()["manifest.json"])) > len(conversion.account.items)


def plan(source: str) -> Plan:
    return Plan(parse(source), parse("5.8.11"))


def test_a_pipe_and_a_device_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "e.json")
    for path in (tmp_path / "e.json", Path("/dev/zero")):
        with pytest.raises(BadSource, match="no regular file"):
            load(plan("4.4.19"), (path,))


@pytest.mark.parametrize(
    ("file", "said"),
    [("export-5.8.10-by-apikey.tar.gz", "4.4.19"), ("export-ce-5.8.9.tar.gz", "5.7.2"), ("v4.4.19.json", "5.8.11")],
)
def test_a_source_of_another_version_than_is_said_is_refused(file: str, said: str) -> None:
    with pytest.raises(BadSource, match=f"declared as {said}"):
        load(plan(said), (SAMPLES / file,))
