"""No planted secret stands in clear where it must not: state, outputs, logs, journal, report, balancer, arguments, errors.

The rule: everything that a whole upgrade writes is searched, except for the few places that hold secrets by their nature, whose
permissions are looked at instead.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.stage import Scene, Stage
from lab.workspace import Secret
from tests.certificates import issued
from tests.lab.arguments_seen import watched
from tests.lab.node_bed import allocated

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

SCENE = Scene(clients=20, budget_per_second=40, steps=({"share": 50}, {"share": 100}), nodes=2)
IN_THE_DATA = {
    "header": "planted-header-V7",
    "connector": "planted-connector-pw-V7",
    "authenticator": "planted-authn-V7",
}
WRONG = "planted-wrong-secret-V7"
OWNERS_OWN = ("archives/", "balancer/tls/", "clusters/blue/api-keys", "clusters/green/api-keys")
"""Below the work directory: what holds secrets, for its owner alone."""
CLUSTERS_OWN = ("clusters/blue/data/", "clusters/green/data/")
"""The clusters' own databases."""


class Told:
    """An upgrade from its first `up` to its end, with a preview and a refused key between, and all that it showed."""

    def __init__(self, stage: Stage) -> None:
        self.stage, front = stage, issued("front")
        self.key = front.key_text().splitlines()[1]
        stage.workspace.set_config({"certificates": {"front": Secret(front.chain + front.key_text())}})
        with watched() as self.arguments:
            stage.build_blue()
            self.plant()
            stage.start_fleet()
            stage.configure("green", "blue", "green")
            self.preview = stage.workspace.preview().good().output
            self.upgrade = stage.workspace.up().good().output
            self.outputs = json.dumps(stage.workspace.outputs())
            self.state = json.dumps(stage.workspace.export_state())
            stage.configure("blue", "blue", "green")
            stage.workspace.set_config({"credentials": self.with_a_wrong_key()})
            self.refused = stage.workspace.up()

    def with_a_wrong_key(self) -> dict[str, dict[str, object]]:
        keys = {"blue": WRONG, "green": self.stage.secrets["green"]}
        login = {"username": "admin", "password": Secret(self.stage.secrets["admin"])}
        return {
            colour: {"apiKey": f"upgrade-{colour}", "apiSecret": Secret(key), **login} for colour, key in keys.items()
        }

    def plant(self) -> None:
        http = {
            "name": "h",
            "type": "http",
            "url": "http://127.0.0.1:9999",
            "headers": {"authorization": IN_THE_DATA["header"]},
            "enable": False,
        }
        redis = {
            "name": "r",
            "type": "redis",
            "enable": False,
            "parameters": {"redis_type": "single", "server": "127.0.0.1:9998"},
            "password": IN_THE_DATA["connector"],
        }
        authenticator = {
            "mechanism": "password_based",
            "backend": "http",
            "method": "post",
            "url": "http://127.0.0.1:9997/auth",
            "headers": {"x-token": IN_THE_DATA["authenticator"]},
            "body": {"username": "${username}"},
            "enable": False,
        }
        with self.stage.api("blue") as api:
            for path, body in (("/connectors", http), ("/connectors", redis), ("/authentication", authenticator)):
                api.post(path, json=body).raise_for_status()

    def planted(self) -> dict[str, str]:
        """What must not be found, and its other form: the header that carries an API key."""
        known = {**self.stage.secrets, **IN_THE_DATA, "wrong": WRONG, "key of the certificate": self.key}
        pairs = [(f"upgrade-{colour}", known[colour]) for colour in ("blue", "green")] + [("upgrade-blue", WRONG)]
        basic = {f"header of {key}": base64.b64encode(f"{key}:{value}".encode()).decode() for key, value in pairs}
        return known | basic

    def found_in(self, content: bytes) -> list[str]:
        return [name for name, secret in self.planted().items() if secret.encode() in content]

    def files(self) -> Iterator[Path]:
        """All that was written, without the project's code and what the test itself has put there."""
        own = {self.stage.directory / "device-password", self.stage.directory / "passphrase"}
        for top, directories, names in os.walk(self.stage.directory):
            directories[:] = [name for name in directories if not (Path(top) / name).is_symlink()]
            for name in names:
                path = Path(top) / name
                if path.is_file() and not path.is_symlink() and path not in own:
                    yield path

    def below_work(self, path: Path) -> str:
        return str(path.relative_to(self.stage.work)) if path.is_relative_to(self.stage.work) else ""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with allocated() as network:
        listeners = (
            {"port": 1883, "host": f"{network}.1", "protocol": "mqtt"},
            {"port": 8883, "host": f"{network}.1", "protocol": "mqtts", "certificate": {"named": "front"}},
            {"port": 8083, "host": f"{network}.1", "protocol": "ws"},
        )
        scene = replace(SCENE, balancer={"listeners": [*listeners]})
        with Stage(tmp_path_factory.mktemp("secrets"), scene) as stage:
            yield Told(stage)


def test_nothing_that_was_written_holds_one(told: Told) -> None:
    searched = []
    for path in told.files():
        if not told.below_work(path).startswith((*OWNERS_OWN, *CLUSTERS_OWN)):
            assert told.found_in(path.read_bytes()) == [], path
            searched.append(path.name)
    wanted = {"journal.jsonl", "report.json", "report.html", "haproxy.cfg", "haproxy.log", "memory.map", "share.map"}
    assert wanted | {"ready.json", "output.log", "lab.json"} <= set(searched), "the search was not of everything"
    assert [name for name in searched if name.endswith("-up.log")]


def test_the_listeners_are_an_output_with_the_end_of_their_certificates(told: Told) -> None:
    outputs = json.loads(told.outputs)
    assert [one["protocol"] for one in outputs["listeners"]] == ["mqtt", "mqtts", "ws"]
    assert outputs["mqtt"] == outputs["listeners"][0]["address"]
    until = datetime.fromisoformat(outputs["listeners"][1]["until"])
    assert until > datetime.now(UTC)


def test_no_state_output_or_error_shows_one(told: Told) -> None:
    for shown in (told.preview, told.upgrade, told.outputs, told.state, told.refused.output):
        assert told.found_in(shown.encode()) == []
    assert "encryptedkey" in told.state or "secrets_providers" in told.state


def test_the_run_with_a_wrong_key_fails_in_one_line(told: Told) -> None:
    assert told.refused.code != 0
    assert "Unauthorized: " in told.refused.output
    assert "Traceback" not in told.refused.output
    errors = [event for event in told.stage.journal() if event["event"] == "error"]
    assert errors[-1]["type"] == "Unauthorized", "with its traceback, which was searched too"


def test_no_process_was_given_one_as_an_argument(told: Told) -> None:
    assert any(b"pulumi" in line for line in told.arguments)
    assert any(b"haproxy" in line for line in told.arguments)
    assert any(b"\0fleet\0" in line for line in told.arguments)
    for line in told.arguments:
        assert told.found_in(line) == [], line


def test_what_holds_them_by_nature_is_for_its_owner_alone(told: Told) -> None:
    archives = told.stage.work / "archives"
    assert stat.S_IMODE(archives.stat().st_mode) == 0o700
    held: set[str] = set()
    for path in told.files():
        if told.below_work(path).startswith(OWNERS_OWN):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
            content = path.read_bytes()
            held |= set(told.found_in(gzip.decompress(content) if path.name.endswith(".gz") else content))
    assert {"blue", "green", "key of the certificate", *IN_THE_DATA} <= held, (
        "the planted ones went through the upgrade"
    )
    for colour in ("blue", "green"):
        assert stat.S_IMODE((told.stage.work / "clusters" / colour).stat().st_mode) == 0o700
