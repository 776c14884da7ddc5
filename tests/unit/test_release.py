"""A real release's nodes: what each is told by its environment, what a release says that it is, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.emqx.errors import BadInput
from components.emqx.models import Credentials
from components.intent import load
from components.local import release, release_processes
from components.local.release import Common, Place, Release
from tests.handles import cluster_at

pytestmark = pytest.mark.unit

SECRETS = ("planted-secret", 'planted:{"pass"}', "cplantedcookie")
CREDENTIALS = Credentials(api_key="upgrade", api_secret=SECRETS[0], username="admin", password=SECRETS[1])
PLACES = [Place(Path("/srv/emqx/blue"), "127.77.3", number) for number in (1, 2, 3)]
OURS = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/root",
    "EMQX_LICENSE__KEY": "theirs",
    "EMQX_NODE_NAME": "old@spelling",
    "EMQX_LISTENERS__TCP__DEFAULT__BIND": "1",
    "PULUMI_CONFIG": '{"emqx:credentials": "planted"}',
    "ERL_FLAGS": "-sname somebody",
}


def environments(*, proxy_protocol: bool = True) -> list[dict[str, str]]:
    common = Common(
        seeds=tuple(place.node.name for place in PLACES),
        proxy_protocol=proxy_protocol,
        keys=Path("/srv/emqx/blue/api-keys"),
        own_address=Path("/srv/emqx/blue/own_address.so"),
        cookie=SECRETS[2],
        credentials=CREDENTIALS,
    )
    assert not any(secret in repr(common) for secret in SECRETS)
    return [release.environment(place, common, OURS) for place in PLACES]


def test_three_nodes_know_each_other_and_share_the_cookie() -> None:
    for one in environments():
        assert one["EMQX_CLUSTER__DISCOVERY_STRATEGY"] == "static"
        seeds = ["emqx@127.77.3.1", "emqx@127.77.3.2", "emqx@127.77.3.3"]
        assert json.loads(one["EMQX_CLUSTER__STATIC__SEEDS"]) == seeds
        assert one["EMQX_NODE__COOKIE"] == SECRETS[2]
    assert [one["EMQX_NODE__NAME"] for one in environments()] == [place.node.name for place in PLACES]


def test_no_two_nodes_open_the_same_port_of_the_same_address_or_write_to_the_same_directory() -> None:
    apart = ("EMQX_NODE__DATA_DIR", "EMQX_LOG_DIR", "EMQX_RPC__LISTEN_ADDRESS", "EMQX_DASHBOARD__LISTENERS__HTTP__BIND")
    for name in (*apart, "ERL_AFLAGS", "NODE_OWN_ADDRESS"):
        assert len({one[name] for one in environments()}) == 3, name
    second = environments()[1]
    assert second["EMQX_RPC__LISTEN_ADDRESS"] == second["NODE_OWN_ADDRESS"] == "127.77.3.2"
    assert second["EMQX_RPC__PORT_DISCOVERY"] == "manual"
    assert second["ERL_AFLAGS"] == "-kernel inet_dist_use_interface {127,77,3,2}"
    assert second["EMQX_DASHBOARD__LISTENERS__HTTP__BIND"] == "127.77.3.2:18083"
    assert second["EMQX_NODE__DATA_DIR"] == "/srv/emqx/blue/node-2/data"


@pytest.mark.parametrize("proxy_protocol", [True, False])
def test_the_listeners_are_the_same_on_all_nodes_since_an_import_writes_those_of_one_to_all(
    proxy_protocol: bool,
) -> None:
    listeners = [
        {name: value for name, value in one.items() if name.startswith("EMQX_LISTENERS__")}
        for one in environments(proxy_protocol=proxy_protocol)
    ]
    assert listeners == [listeners[0]] * 3
    assert listeners[0] == {
        "EMQX_LISTENERS__TCP__DEFAULT__BIND": "0.0.0.0:1883",
        "EMQX_LISTENERS__TCP__DEFAULT__PROXY_PROTOCOL": str(proxy_protocol).lower(),
        "EMQX_LISTENERS__SSL__DEFAULT__ENABLE": "false",
        "EMQX_LISTENERS__WS__DEFAULT__BIND": "0.0.0.0:8083",
        "EMQX_LISTENERS__WS__DEFAULT__PROXY_PROTOCOL": str(proxy_protocol).lower(),
        "EMQX_LISTENERS__WSS__DEFAULT__ENABLE": "false",
    }
    assert {one["LD_PRELOAD"] for one in environments()} == {"/srv/emqx/blue/own_address.so"}


def test_nothing_of_our_environment_reaches_a_node_but_what_is_named() -> None:
    for one in environments():
        assert {name: one[name] for name in OURS if name in one} == {
            **{name: OURS[name] for name in ("PATH", "HOME", "EMQX_LICENSE__KEY")},
            "EMQX_LISTENERS__TCP__DEFAULT__BIND": "0.0.0.0:1883",
        }


def test_a_password_with_hocon_in_it_stays_a_text_and_the_api_secret_stays_in_its_file() -> None:
    one = environments()[0]
    assert json.loads(one["EMQX_DASHBOARD__DEFAULT_PASSWORD"]) == SECRETS[1]
    assert json.loads(one["EMQX_DASHBOARD__DEFAULT_USERNAME"]) == "admin"
    assert json.loads(one["EMQX_API_KEY__BOOTSTRAP_FILE"]) == "/srv/emqx/blue/api-keys"
    assert SECRETS[0] not in "".join(one.values())
    assert one["EMQX_TELEMETRY__ENABLE"] == "false"


def test_the_cookie_is_made_once_and_only_ours_to_read(tmp_path: Path) -> None:
    first = release.cookie(tmp_path)
    assert release.cookie(tmp_path) == first
    assert first[0].isalpha()
    assert first.isalnum()
    assert (tmp_path / "cookie").stat().st_mode & 0o777 == 0o600


def unpacked(directory: Path, variables: str = 'REL_VSN="5.8.8"\nIS_ENTERPRISE="yes"\n') -> Path:
    for name in ("bin", "etc", "releases"):
        (directory / name).mkdir(parents=True)
    (directory / "releases" / "emqx_vars").write_text(variables)
    (directory / "bin" / "emqx").write_text("#!/bin/sh\n")
    (directory / "bin" / "emqx").chmod(0o755)
    return directory


@pytest.mark.parametrize(
    ("variables", "version", "edition"),
    [
        ('REL_VSN="5.8.8"\nIS_ENTERPRISE="yes"\n', "5.8.8", "ee"),
        ("REL_VSN='5.8.6'\nIS_ENTERPRISE=no\n", "5.8.6", "ce"),
        ('REL_VSN="5.8.6"\nIS_ENTERPRISE="yes"\n## updated vars here\nREL_VSN="5.8.8"\n', "5.8.8", "ee"),
    ],
)
def test_a_release_says_itself_what_it_is(tmp_path: Path, variables: str, version: str, edition: str) -> None:
    found = Release.read(str(unpacked(tmp_path / "emqx", variables)))
    assert (found.version, found.edition) == (version, edition)


def refusal(home: Path | str, version: str = "5.8.8", edition: str = "ee") -> str:
    cluster = {"target": "local", "version": version, "edition": edition, "nodes": 1, "emqxHome": str(home)}
    raw = {"live": "blue", "clusters": {"blue": cluster}}
    with pytest.raises(BadInput) as wrong:
        load(raw.get, stack="dev")
    return str(wrong.value)


def test_another_version_or_edition_than_the_release_is_refused_with_path_value_and_what_is_allowed(
    tmp_path: Path,
) -> None:
    home = unpacked(tmp_path / "emqx")
    assert f"emqx:clusters.blue.version: 5.8.6; allowed: 5.8.8, as the release in {home} is" in refusal(home, "5.8.6")
    assert "emqx:clusters.blue.edition: ce; allowed: ee, as the release" in refusal(home, edition="ce")


def test_a_release_of_4_x_is_refused_which_would_not_hear_what_we_tell_it(tmp_path: Path) -> None:
    home = unpacked(tmp_path / "emqx", 'REL_VSN="4.4.19"\nIS_ENTERPRISE="yes"\n')
    wrong = refusal(home, "4.4.19")
    assert "emqx:clusters.blue.version: 4.4.19; allowed: 5.0 and newer: emqxHome makes no nodes of 4.x" in wrong
    assert "target external" in wrong


@pytest.mark.parametrize(
    ("broken", "seen"),
    [
        ("releases/emqx_vars", "releases/emqx_vars cannot be read (No such file or directory)"),
        ("bin/emqx", "bin/emqx is not there or cannot be executed"),
    ],
)
def test_what_is_no_release_is_refused_and_the_reason_said(tmp_path: Path, broken: str, seen: str) -> None:
    home = unpacked(tmp_path / "emqx")
    (home / broken).unlink()
    assert f"emqx:clusters.blue.emqxHome: '{home}'; allowed" in refusal(home)
    assert seen in refusal(home)


def test_a_relative_home_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked(tmp_path / "emqx")
    monkeypatch.chdir(tmp_path)
    assert "the path is relative" in refusal("emqx")


@pytest.mark.parametrize("path", ["/srv/my emqx", "/srv/a:b", '/srv/"', "/srv/$x"])
def test_a_work_directory_that_shell_loader_or_hocon_would_misread_is_refused(path: str) -> None:
    with pytest.raises(BadInput, match="set emqx:workDirectory"):
        release.require_plain(Path(path))


def test_without_a_compiler_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="install a C compiler"):
        release.own_address_library(tmp_path)


def test_where_nothing_was_started_nothing_runs(tmp_path: Path) -> None:
    assert release_processes.running(tmp_path) is None
    assert not release_processes.complete(tmp_path)
    release_processes.stop(tmp_path)


def test_a_pid_that_now_belongs_to_another_process_is_neither_adopted_nor_ended(tmp_path: Path) -> None:
    (tmp_path / "release.json").write_text('{"network": "127.77.3", "nodes": 1}')
    (tmp_path / "node-1").mkdir()
    (tmp_path / "node-1" / "pid").write_text("1")
    assert release_processes.running(tmp_path) is None
    release_processes.stop(tmp_path)


def test_the_cluster_that_is_joined_is_a_seed_of_that_start_alone_and_its_cookie_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes that restart with the name of one that has left join that one (recording G1_offline_sessions_by_takeover_and_seeds_trap)."""
    monkeypatch.setattr(release, "own_address_library", lambda _: tmp_path / "own.so")
    blue, green = tmp_path / "blue", tmp_path / "green"
    for directory in (blue, green):
        directory.mkdir()
    places = [Place(green, "127.20.0", number) for number in (1, 2)]
    theirs = cluster_at("127.19.0.1", "127.19.0.2")
    keys, credentials = tmp_path / "keys", Credentials(api_key="k", api_secret="s")
    release.adopt_cookie(green, blue)
    joining = release_processes.common_of(places, keys, credentials, proxy_protocol=False, beside=theirs)
    later = release_processes.common_of(places, keys, credentials, proxy_protocol=False)
    assert joining.seeds == ("emqx@127.19.0.1", "emqx@127.19.0.2", "emqx@127.20.0.1", "emqx@127.20.0.2")
    assert later.seeds == ("emqx@127.20.0.1", "emqx@127.20.0.2")
    assert joining.cookie == later.cookie == release.cookie(blue)
