"""The balancer's listeners: what the stack file may say of them, and what is refused in preview, with path, value and what is allowed."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from components.emqx.errors import BadInput
from components.intent import load
from components.local.listening import binds, first_address, listening, tidy
from components.routers import certificates
from components.routers.certificates import UnfitError
from components.routers.listeners import Certificate, Listener
from components.settings import Settings
from tests.certificates import DAY, Issued, issued
from tests.unit.settings_bed import NODE, config

pytestmark = pytest.mark.unit

PATH = "emqx:balancer.listeners"


@pytest.fixture(scope="module")
def ca() -> Issued:
    return issued("authority")


@pytest.fixture(scope="module")
def server(ca: Issued) -> Issued:
    return issued("front", ca)


def read(listeners: object, secrets: Mapping[str, str] | None = None, **changes: Any) -> Settings:
    raw = config(balancer__listeners=listeners, **changes)
    return load(raw.get, stack="dev", names=raw, certificates=json.dumps(secrets or {}))


def refused(listeners: object, secrets: Mapping[str, str] | None = None, **changes: Any) -> list[str]:
    with pytest.raises(BadInput) as one:
        read(listeners, secrets, **changes)
    return [line.strip() for line in str(one.value).removesuffix(". Next: correct these lines").splitlines()[1:]]


# -- what may be said ---------------------------------------------------------------------------------------------------


def test_several_listeners_of_each_kind_are_read(server: Issued, ca: Issued, tmp_path: Path) -> None:
    files = server.files(tmp_path, "front")
    (tmp_path / "ca.crt").write_text(ca.chain)
    settings = read(
        [
            {"port": 1883, "protocol": "mqtt"},
            {"port": 1884, "protocol": "mqtt", "acceptProxy": True},
            {"port": 8883, "protocol": "mqtts", "certificate": files, "clientCa": str(tmp_path / "ca.crt")},
            {"port": 8083, "protocol": "ws"},
            {"port": 8084, "protocol": "wss", "certificate": {"named": "front"}, "host": "[::1]"},
        ],
        {"front": server.key_text() + server.chain},
    )
    assert [one.address for one in settings.balancer.listeners] == [
        "*:1883",
        "*:1884",
        "*:8883",
        "*:8083",
        "[::1]:8084",
    ]
    assert [one.accept_proxy for one in settings.balancer.listeners] == [False, True, False, False, False]


def test_one_port_may_be_listened_on_at_two_hosts() -> None:
    assert read([{"port": 1883, "protocol": "mqtt", "host": host} for host in ("10.0.0.1", "10.0.0.2")])


def test_without_listeners_nothing_is_asked_of_certificates() -> None:
    assert read([]).balancer.listeners == ()


# -- what is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listener", "line"),
    [
        ({"port": 8883, "protocol": "mqtts"}, f"{PATH}[0].certificate: missing; allowed: a value is required: {{chain: FILE"),
        ({"port": 8084, "protocol": "wss"}, f"{PATH}[0].certificate: missing"),
        ({"port": 1883}, f"{PATH}[0].protocol: missing"),
        ({"port": 1883, "protocol": "tcp"}, f"{PATH}[0].protocol: 'tcp'; allowed: mqtt, mqtts, ws or wss"),
        ({"port": 0, "protocol": "mqtt"}, f"{PATH}[0].port: 0; allowed: at least 1"),
        ({"port": 70000, "protocol": "mqtt"}, f"{PATH}[0].port: 70000; allowed: at most 65535"),
        ({"port": True, "protocol": "mqtt"}, f"{PATH}[0].port: True; allowed: a whole number"),
        ({"port": 1, "protocol": "mqtt", "host": "a b"}, f"{PATH}[0].host: 'a b'; allowed: a host of this machine"),
        ({"port": 1, "protocol": "mqtt", "tls": 1}, f"{PATH}[0].tls: unknown key; allowed: port, host, protocol, certificate"),
        ({"port": 1, "protocol": "mqtt", "certificate": {"named": "a"}}, f"{PATH}[0].certificate: given; allowed: no value: mqtt has no TLS, mqtts has"),
        ({"port": 1, "protocol": "ws", "certificate": {"named": "a"}}, f"{PATH}[0].certificate: given; allowed: no value: ws has no TLS, wss has"),
        ({"port": 1, "protocol": "ws", "clientCa": __file__}, f"{PATH}[0].clientCa: given; allowed: no value: clients show a certificate in TLS only, which wss has"),
        ({"port": 1, "protocol": "mqtts", "certificate": {}}, f"{PATH}[0].certificate: unclear; allowed: either chain and key, or named"),
        ({"port": 1, "protocol": "mqtts", "certificate": {"chain": "a"}}, f"{PATH}[0].certificate: unclear"),
        ({"port": 1, "protocol": "mqtts", "certificate": {"chain": "a", "key": "b", "named": "c"}}, f"{PATH}[0].certificate: unclear"),
        ({"port": 1, "protocol": "mqtts", "certificate": {"named": "back"}}, f"{PATH}[0].certificate.named: 'back'; allowed: a name in emqx:certificates (front)"),
        ({"port": 1, "protocol": "mqtts", "certificate": {"chain": "/no/a", "key": "/no/b"}}, f"{PATH}[0].certificate.chain: '/no/a'; allowed: a file of PEM that can be read (No such file or directory)"),
    ],
)  # fmt: skip
def test_a_listener_that_cannot_be_right_is_refused(listener: dict[str, Any], line: str, server: Issued) -> None:
    lines = refused([listener], {"front": server.chain + server.key_text()})
    assert any(one.startswith(line) for one in lines), lines


def test_a_port_twice_is_refused_also_where_one_host_is_every_one() -> None:
    (line,) = refused([{"port": 1, "protocol": "mqtt"}, {"port": 1, "protocol": "mqtt", "host": "10.0.0.1"}])
    assert line == f"{PATH}[1].port: 1; allowed: another one than {PATH}[0] has, or another host"


def test_the_single_address_is_refused_beside_listeners() -> None:
    (line,) = refused([{"port": 1, "protocol": "mqtt"}], balancer__address="127.0.0.1:1883")
    assert line.startswith("emqx:balancer.address: 127.0.0.1:1883; allowed: no value beside listeners")


def test_a_certificate_that_is_not_valid_now_is_refused(ca: Issued) -> None:
    old = issued("old", ca, starts=-3 * DAY, ends=-2 * DAY)
    young = issued("young", ca, starts=2 * DAY, ends=3 * DAY)
    listeners = [{"port": 1 + index, "protocol": "mqtts", "certificate": {"named": name}} for index, name in enumerate(("old", "young"))]  # fmt: skip
    lines = refused(listeners, {one: made.chain + made.key_text() for one, made in (("old", old), ("young", young))})
    assert lines[0].startswith(f"{PATH}[0].certificate.named: CN=old expired on ")
    assert lines[1].startswith(f"{PATH}[1].certificate.named: CN=young is valid from ")
    assert all(line.endswith("; allowed: one that is valid now") for line in lines)


def test_an_intermediate_that_has_expired_is_as_bad(server: Issued) -> None:
    old = issued("between", starts=-3 * DAY, ends=-2 * DAY)
    text = server.chain + old.chain + server.key_text()
    (line,) = refused([{"port": 1, "protocol": "mqtts", "certificate": {"named": "front"}}], {"front": text})
    assert "CN=between expired on" in line


def test_a_key_of_another_certificate_is_refused_and_nothing_of_it_shown(server: Issued, tmp_path: Path) -> None:
    files = server.files(tmp_path, "front") | {"key": issued("other").files(tmp_path, "other")["key"]}
    (line,) = refused([{"port": 1, "protocol": "mqtts", "certificate": files}])
    assert line == (
        f"{PATH}[0].certificate.key: another key than that of CN=front; allowed: the key of the first certificate"
    )


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("", "no private key in it"),
        ("-----BEGIN PRIVATE KEY-----\nMIIBaaaa\n-----END PRIVATE KEY-----\n", "a private key that cannot be read"),
    ],
)
def test_a_key_that_is_none_is_refused(text: str, seen: str, server: Issued, tmp_path: Path) -> None:
    files = server.files(tmp_path, "front")
    Path(files["key"]).write_text(text)
    (line,) = refused([{"port": 1, "protocol": "mqtts", "certificate": files}])
    assert line.startswith(f"{PATH}[0].certificate.key: {seen}")


def test_a_key_with_a_passphrase_is_refused(server: Issued, tmp_path: Path) -> None:
    files = server.files(tmp_path, "front")
    Path(files["key"]).write_text(server.key_text("hunter2"))
    (line,) = refused([{"port": 1, "protocol": "mqtts", "certificate": files}])
    assert "the private key has a passphrase; allowed: one without" in line


def test_a_key_that_openssl_refuses_is_refused_before(ca: Issued) -> None:
    short = issued("short", ca, rsa_bits=1024)
    (line,) = refused([{"port": 1, "protocol": "mqtts", "certificate": {"named": "a"}}], {"a": short.chain + short.key_text()})  # fmt: skip
    assert "an RSA key of 1024 bits; allowed: 2048 bits or more" in line


def test_a_key_that_was_written_where_its_file_belongs_is_not_shown(server: Issued) -> None:
    certificate = {"chain": server.chain, "key": server.key_text()}
    (line,) = refused([{"port": 1, "protocol": "mqtts", "certificate": certificate}])
    assert line.startswith(f"{PATH}[0].certificate.chain: (not shown); allowed: a file of PEM")


def test_no_refusal_shows_a_secret_that_is_no_object_of_texts() -> None:
    raw = config(balancer__listeners=[{"port": 1, "protocol": "mqtt"}])
    with pytest.raises(BadInput, match="emqx:certificates: no object of texts") as one:
        load(raw.get, stack="dev", names=raw, certificates='{"front": {"key": "hunter2"}}')
    assert "hunter2" not in str(one.value)


def test_authorities_of_clients_are_refused_where_a_colour_would_not_hear_their_names(
    server: Issued, ca: Issued, tmp_path: Path
) -> None:
    (tmp_path / "ca.crt").write_text(ca.chain)
    one = {"port": 1, "protocol": "mqtts", "certificate": {"named": "a"}, "clientCa": str(tmp_path / "ca.crt")}
    secrets = {"a": server.chain + server.key_text()}
    (line,) = refused([one], secrets, clusters__green__proxyProtocol=False)
    assert line.startswith(f"{PATH}[0].clientCa: given; allowed: no value, or emqx:clusters.green.proxyProtocol true")
    assert read([one], secrets)


def test_authorities_that_have_expired_or_are_missing_are_refused(server: Issued, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text(issued("old", starts=-3 * DAY, ends=-2 * DAY).chain)
    listeners = [
        {"port": port, "protocol": "mqtts", "certificate": {"named": "a"}, "clientCa": str(tmp_path / name)}
        for port, name in ((1, "ca.crt"), (2, "none.crt"))
    ]
    lines = refused(listeners, {"a": server.chain + server.key_text()})
    assert lines[0].startswith(f"{PATH}[0].clientCa: CN=old expired on")
    assert lines[1].startswith(f"{PATH}[1].clientCa: '{tmp_path}/none.crt'; allowed: a file of PEM")


def test_nodes_of_somebody_need_an_address_for_websocket_where_the_balancer_has_one() -> None:
    blue = {"target": "external", "version": "5.8.6", "proxyProtocol": True}
    other = {**NODE, "name": "emqx@10.0.1.2", "api": "http://10.0.1.2:18083", "mqtt": "10.0.1.2:1883"}
    nodes = [{**NODE, "ws": "10.0.1.1:8083"}, other]
    (line,) = refused([{"port": 1, "protocol": "ws"}], clusters__blue={**blue, "nodes": nodes})
    assert line.startswith("emqx:clusters.blue.nodes[1].ws: missing; allowed: host:port")
    nodes = [{**one, "ws": f"{one['mqtt'].removesuffix('1883')}8083"} for one in (NODE, other)]
    assert read([{"port": 1, "protocol": "ws"}], clusters__blue={**blue, "nodes": nodes}, clusters__green__nodes=2)


# -- what is listened with ----------------------------------------------------------------------------------------------


def listener(**values: Any) -> Listener:
    return Listener.model_validate({"port": 1883, "protocol": "mqtt", **values})


def test_the_first_address_is_that_of_the_first_plain_listener() -> None:
    some = listening([listener(protocol="ws"), listener(port=1, protocol="mqtt")], {}, time.time())
    assert first_address(some) == "*:1"
    assert first_address(some[:1]) == "*:1883"


def test_what_is_its_own_authority_keeps_its_key_in_one_file_only(ca: Issued, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text(ca.chain)
    one = listener(protocol="mqtts", certificate={"named": "a"}, client_ca=str(tmp_path / "ca.crt"))
    some = listening([one], {"a": ca.chain + ca.key_text()}, time.time())
    (bind,) = binds(tmp_path / "balancer", some)
    texts = {name: (tmp_path / "balancer" / name.removeprefix("../")).read_text() for name in (bind.certificate or "", bind.client_ca or "")}  # fmt: skip
    assert ["PRIVATE KEY" in text for text in texts.values()] == [True, False]
    files = [*(tmp_path / "balancer" / "tls").iterdir()]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]
    tidy(tmp_path / "balancer", some)
    assert sorted(files) == sorted((tmp_path / "balancer" / "tls").iterdir())
    tidy(tmp_path / "balancer", ())
    assert not any(file.exists() for file in files)


def test_another_key_without_another_certificate_is_no_change_and_nothing_of_a_key_is_told(server: Issued) -> None:
    one = certificates.read(Certificate(named="a"), {"a": server.chain + server.key_text()}, time.time())
    again = certificates.read(Certificate(named="a"), {"a": server.key_text() + server.chain}, time.time())
    assert one == again
    assert "PRIVATE" not in repr(one)


def test_a_certificate_that_expired_since_the_preview_is_refused_by_the_update(ca: Issued, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text(ca.chain)
    late = time.time() + 2 * DAY.total_seconds()
    with pytest.raises(UnfitError, match="expired on"):
        certificates.authorities(str(tmp_path / "ca.crt"), late)
    with pytest.raises(BadInput, match=r"the listener mqtts at \*:1883.*expired on"):
        listening([listener(protocol="mqtts", client_ca=str(tmp_path / "ca.crt"))], {}, late)
