"""New nodes are born with how the old ones' doors behaved; where the doors are is their target's, and what is not taken over is named."""

from __future__ import annotations

import json
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from components.cutover.versions import parse
from components.links.birth import Birth, Wanted, written
from components.migration.bootstrap import Bootstrap, apart, apart_of_old, at_home, bootstrap
from components.migration.facts import Facts, Plan
from components.migration.loading import add
from components.migration.words import Shown
from components.resources.local_cluster_inputs import LocalClusterInputs
from components.targets import TARGETS
from components.targets.base import Site

pytestmark = pytest.mark.unit

CONF = """
allow_anonymous = false
listener.tcp.external = 0.0.0.0:11883
listener.tcp.external.max_connections = 4321
listener.tcp.external.max_conn_rate = 77
listener.tcp.internal = 127.0.0.1:2883
listener.ssl.external = 8883
listener.ssl.external.key_password = planted-key-passw0rd
"""
PLAN = Plan(parse("4.4.19"), parse("5.8.9"), "ce", "ee", strategy="two-cluster")
PLAN_43 = Plan(parse("4.2.14"), parse("4.3.22"), "ce", "ce", strategy="two-cluster", credential="username")


def found(plan: Plan = PLAN, **files: str) -> Bootstrap:
    """What these files ask for; names have no dots here."""
    given = files or {"emqx__conf": CONF}
    named = ((name.replace("__", "."), text) for name, text in given.items())
    return bootstrap(reduce(lambda facts, one: add(facts, one[0], one[1].encode()), named, Facts(plan)))


def test_how_a_door_behaves_is_taken_over_and_where_it_is_is_not() -> None:
    door = found().ours["listeners"]["tcp"]["default"]
    assert (door["max_connections"], door["max_conn_rate"]) == (4321, "77/s")
    assert not {"bind", "proxy_protocol"} & door.keys()
    assert list(found().ours["listeners"]) == ["tcp", "ws"]
    assert found().ours["listeners"]["ws"]["default"] == {"enable": False}, "a kind that the old nodes did not have"


def test_doors_that_the_new_nodes_do_not_have_are_named() -> None:
    left = list(found().left_out())
    assert [line.split()[0] for line in left] == ["listeners.tcp.internal", "listeners.ssl.default"]
    assert all("emqx:balancer.listeners" in line for line in left)


def test_the_plan_tells_settings_and_no_value() -> None:
    told = list(found().told())
    assert "listeners.tcp.default.max_connections" in told
    assert not any("4321" in line for line in told)


def test_nodes_of_somebody_are_told_each_difference_and_no_secret() -> None:
    theirs: dict[str, Any] = {
        "listeners": {
            "tcp": {"default": {"enable": True, "bind": "0.0.0.0:1883", "max_connections": "infinity"}},
            "ssl": {"default": {"enable": True, "ssl_options": {"password": "another-secr3t"}}},
        }
    }
    lines = apart(found(), theirs, ours=False)
    assert "listeners.tcp.default.max_connections is infinity; the old configuration says 4321" in lines
    assert "listeners.ssl.default.ssl_options.password is not what the old configuration says" in lines
    assert not any(".bind" in line for line in lines), "where its doors are is its own"
    assert not any("planted" in line or "secr3t" in line for line in lines)


def test_nodes_that_were_born_with_it_differ_in_nothing() -> None:
    assert apart(found(), found().ours, ours=True) == []
    assert apart(found(), json.loads(written(found().ours)), ours=True) == []


def test_4_3_is_born_with_the_files_of_4_2_converted_and_without_what_starts_nodes() -> None:
    files = found(
        PLAN_43, emqx__conf=CONF, loaded_plugins="emqx_auth_mnesia.\n", node__env="EMQX_ALLOW_ANONYMOUS=false\n"
    ).files
    assert set(files) == {"emqx.conf", "loaded_plugins"}
    assert "{emqx_auth_mnesia, true}" in files["loaded_plugins"]
    shown = Shown({"emqx_auth_mnesia": False}, {"tcp": frozenset({1883})})
    lines = apart_of_old(Bootstrap({}, files), PLAN_43, shown)
    assert any("emqx_auth_mnesia" in line for line in lines)
    assert any("11883" in line for line in lines)


def test_the_proxy_protocol_of_4_3_is_the_targets() -> None:
    conf = "listener.tcp.external.proxy_protocol = off\nacl_file = /srv/blue/etc/acl.conf\n"
    born = Bootstrap({}, {"emqx.conf": conf, "acl.conf": "{allow, all}.\n"}, "/srv/blue/etc")
    files = at_home(born, "/srv/green/etc", proxied=True)
    assert files["emqx.conf"].splitlines() == [
        "acl_file = /srv/green/etc/acl.conf",
        "listener.tcp.external.proxy_protocol = on",
        "listener.ws.external.proxy_protocol = on",
    ]
    assert files["acl.conf"] == "{allow, all}.\n"


def test_a_local_colour_finds_it_when_it_starts_for_the_first_time_and_no_secret_stands_in_its_inputs(
    tmp_path: Path,
) -> None:
    (tmp_path / "emqx.conf").write_text(CONF)
    wanted = Wanted(configuration=(str(tmp_path / "emqx.conf"),), editions=("ce", "ee"))
    birth = Birth(versions=("4.4.19", "5.8.9"), source="blue", wanted=wanted)
    inputs = LocalClusterInputs(
        name="green", colour="green", version="5.8.9", edition="ee", nodes=1, proxy_protocol=True,
        directory=str(tmp_path / "green"), birth=birth,
    )  # fmt: skip
    files = inputs.wanted({}).files
    assert json.loads(files["base.hocon"])["listeners"]["tcp"]["default"]["max_connections"] == 4321
    assert inputs.wanted({"network": "127.1.1"}).files == {}, "what runs keeps its files"
    assert "planted" not in inputs.model_dump_json() + files["base.hocon"]


MAKES_5: dict[str, dict[str, Any]] = {
    "kubernetes": {"namespace": "mqtt"},
    "aws": {
        "region": "eu-central-1",
        "subnets": ["subnet-0123456789abcdef0"],
        "management": {"ranges": ["10.0.0.0/8"]},
    },
}


@pytest.mark.parametrize("target", MAKES_5)
def test_a_4_x_is_refused_where_none_is_made_with_where_it_may_be(target: str) -> None:
    words = {"target": target, "version": "4.3.22", "edition": "ee", "nodes": 1, **MAKES_5[target]}
    site = Site("green", TARGETS[target].model.model_validate(words), ".")
    (found,) = TARGETS[target].problems(site)
    assert (found.path, found.value) == ("emqx:clusters.green.version", "4.3.22")
    assert f"target {target} makes no nodes of 4.x" in found.allowed
    assert "target external" in found.allowed
    assert TARGETS[target].problems(site._replace(settings=site.settings.model_copy(update={"version": "5.8.9"}))) == []
