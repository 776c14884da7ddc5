"""What EMQX's image reads in a pod: its file, its environment, its volumes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.kubernetes.emqx import WrongError, configuration, on_node, settings_of

pytestmark = pytest.mark.unit
IMAGE = {"LAB_EDITION": "ee", "LAB_VERSION": "5.8.8"}


def test_the_environment_wins_over_the_file() -> None:
    found = configuration(
        "mqtt.max_qos_allowed = 1\nlisteners.tcp.default.bind = 1884",
        {"EMQX_MQTT__MAX_QOS_ALLOWED": "2", "EMQX_HOST": "h"},
    )
    assert found == {"mqtt": {"max_qos_allowed": 2}, "listeners": {"tcp": {"default": {"bind": 1884}}}}


def test_what_a_file_includes_counts_and_what_stands_behind_it_wins() -> None:
    volumes = {"/opt/emqx/born/base.hocon": "mqtt { max_qos_allowed = 1, max_topic_levels = 9 }"}
    conf = 'include "/opt/emqx/born/base.hocon"\nmqtt.max_qos_allowed = 2\n'
    assert configuration(conf, {}, volumes.get) == {"mqtt": {"max_qos_allowed": 2, "max_topic_levels": 9}}
    assert configuration(conf, {}) == {"mqtt": {"max_qos_allowed": 2}}, "a file that is not there is passed over"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("mqtt {", "failed_to_load_hocon_file"),
        ("mqqt.max_qos_allowed = 1", "unknown_fields, unknown: mqqt"),
        ("listeners = 5", "path: listeners, reason: expected_type_struct"),
    ],
)
def test_what_emqx_does_not_start_with_is_refused_in_its_words(text: str, why: str) -> None:
    with pytest.raises(WrongError, match=why):
        configuration(text, {})


def test_a_node_has_the_name_cookie_and_seeds_of_its_configuration() -> None:
    environment = {
        "EMQX_NODE__NAME": "emqx@emqx-0.emqx.n.svc.cluster.local",
        "EMQX_NODE__COOKIE": "c",
        "EMQX_CLUSTER__DISCOVERY_STRATEGY": "dns",
        "EMQX_CLUSTER__DNS__NAME": "emqx.n.svc.cluster.local",
        "EMQX_CLUSTER__DNS__RECORD_TYPE": "srv",
    }
    settings = settings_of(configuration("", environment), IMAGE, "10.244.1.2", Path("/d"))
    assert (settings.network, settings.host) == ("10.244.1.2", "emqx-0.emqx.n.svc.cluster.local")
    assert (settings.cookie, settings.seeds) == ("c", ("srv:emqx.n.svc.cluster.local",))
    assert settings.config == {}


@pytest.mark.parametrize(
    ("strategy", "seeds"), [("manual", ()), ("static", ("emqx@a", "emqx@b")), ("dns", ("a:name",))]
)
def test_seeds_are_what_the_strategy_says(strategy: str, seeds: tuple[str, ...]) -> None:
    text = f'cluster {{ discovery_strategy = {strategy}, static.seeds = ["emqx@a", "emqx@b"], dns.name = name }}'
    assert settings_of(configuration(text, {}), IMAGE, "10.244.1.2", Path("/d")).seeds == seeds


def test_a_file_of_a_volume_is_found_on_the_node() -> None:
    mounts = {"/opt/emqx/secrets": "/pods/1/volumes/keys", "/opt/emqx": "/pods/1/volumes/other"}
    assert on_node(Path("/opt/emqx/secrets/api-keys"), mounts) == Path("/pods/1/volumes/keys/api-keys")
    assert on_node(Path("/elsewhere/x"), mounts) == Path("/elsewhere/x")
