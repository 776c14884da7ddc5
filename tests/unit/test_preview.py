"""The plan before anything is touched: it says what the update will do, and refuses what the update would, in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components import preview
from components.balancer import BALANCERS
from components.cutover.forecast import Fleet
from components.cutover.words import Colour
from components.emqx.errors import BadInput, Refused, Unreachable
from components.emqx.models import BalancerHandle
from components.intent import declared
from components.preview import _advice, plan_of
from components.settings import Settings

pytestmark = pytest.mark.unit

OLD, NEW = "5.8.6", "5.8.8"


def settings(work: Path, live: Colour = "green", *, blue: str = OLD, green: str = NEW, **cutover: Any) -> Settings:
    """Two local colours of which nothing runs; not held against each other, as an update does not do it either."""
    clusters = {
        colour: {"target": "local", "version": version, "nodes": 1}
        for colour, version in (("blue", blue), ("green", green))
    }
    return declared({"live": live, "clusters": clusters, "workDirectory": str(work), "cutover": cutover})


def balancer(work: Path, share: int, *memory: str) -> None:
    (work / "balancer").mkdir()
    (work / "balancer" / "share.map").write_text(f"green {share}\n")
    (work / "balancer" / "memory.map").write_text("".join(f"{line}\n" for line in memory))


def credentials(**green: str) -> str:
    blue = {"apiKey": "k", "apiSecret": "planted-1", "username": "admin", "password": "planted-2"}
    return json.dumps({"blue": blue, "green": {**blue, **green}})


def test_a_dead_balancer_is_known_by_its_files(tmp_path: Path) -> None:
    balancer(tmp_path, 5_000, "origin =blue", "run =x")
    assert "cutover forward to green" in plan_of(settings(tmp_path), credentials()).text
    assert "green has 50 %" in plan_of(settings(tmp_path), credentials()).text
    assert "cutover back to blue" in plan_of(settings(tmp_path, "blue"), credentials()).text


def test_a_balancer_that_is_there_and_cannot_be_asked_does_not_turn_the_way_back_into_a_downgrade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    balancer(tmp_path, 5_000, "origin =blue", "run =x")
    handle = BalancerHandle(mqtt="127.0.0.1:1883", admin=(), maps=str(tmp_path / "balancer"))

    def away(_: BalancerHandle) -> Any:
        raise Unreachable("asking for the share", node="i-0a1b", seen="it is gone", todo="wait")

    monkeypatch.setattr(type(BALANCERS["local"]), "observed", lambda _self, _settings: handle)
    monkeypatch.setattr(preview, "router_of", away)
    ways: dict[Colour, str] = {"blue": "back", "green": "forward"}
    for live, way in ways.items():
        text = plan_of(settings(tmp_path, live), credentials()).text
        assert f"cutover {way} to {live}" in text
        assert "the balancer cannot be asked: it is gone" in text


def test_one_colour_alone_has_a_plan(tmp_path: Path) -> None:
    alone = {"live": "blue", "clusters": {"blue": {"target": "local", "version": OLD, "nodes": 1}}}
    assert "blue is the only colour" in plan_of(declared({**alone, "workDirectory": str(tmp_path)}), credentials()).text


def test_the_plan_says_that_nothing_is_carried_after_the_export(tmp_path: Path) -> None:
    assert "after the export" not in plan_of(settings(tmp_path), credentials()).text
    balancer(tmp_path, 1_000)
    assert (
        "not carried over: what is written on blue after the export" in plan_of(settings(tmp_path), credentials()).text
    )


def test_a_colour_whose_version_has_no_data_export_is_refused_when_nobody_can_be_asked(tmp_path: Path) -> None:
    balancer(tmp_path, 1_000, "run =x")
    with pytest.raises(
        Refused, match=r"emqx:clusters\.blue\.version is 5\.0\.26, and EMQX has no data export before 5\.1"
    ):
        plan_of(settings(tmp_path, blue="5.0.26", green="5.8.8"), credentials())


def test_a_move_down_is_refused_also_when_nobody_can_be_asked(tmp_path: Path) -> None:
    balancer(tmp_path, 9_000, "run =x")
    down = settings(tmp_path, "blue", blue="5.8.6", green="5.8.8")
    with pytest.raises(Refused, match=r"moving the clients to blue on blue: 5\.8\.8 ee to 5\.8\.6 ee"):
        plan_of(down, credentials())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("planted", "Invalid JSON"),
        ('{"blue": {"apiKey": "a"}}', "blue.apiSecret: Field required"),
        ('{"blue": {"apiKey": "a", "apiSecret": "planted", "pasword": "planted"}}', "blue.pasword: Extra inputs"),
        ('{"bleu": {"apiKey": "a", "apiSecret": "planted"}}', "bleu: Input should be 'blue' or 'green'"),
        ('{"blue": "planted"}', "blue: "),
        ('["planted"]', "Input should be an object"),
    ],
)
def test_credentials_that_cannot_be_right_are_one_line_without_their_values(
    tmp_path: Path, text: str, told: str
) -> None:
    with pytest.raises(BadInput) as refused:
        plan_of(settings(tmp_path), text)
    assert told in str(refused.value)
    assert str(refused.value).startswith("emqx:credentials: ")
    assert "\n" not in str(refused.value)
    assert "planted" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_declared_colour_without_credentials_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"the management API on blue: no credentials .*emqx:credentials\.blue\.apiKey"):
        plan_of(settings(tmp_path), None)
    with pytest.raises(BadInput, match="the management API on green"):
        plan_of(settings(tmp_path), '{"blue": {"apiKey": "k", "apiSecret": "planted"}}')
    with pytest.raises(BadInput, match=r"green\.apiSecret: String should have at least 1 character"):
        plan_of(settings(tmp_path), credentials(apiSecret=""))


@pytest.mark.parametrize("secret", ["plan:ted", "plan\nted", "planted ", "plan\tted"])
def test_a_secret_that_a_bootstrap_file_cannot_hold_is_refused_for_a_local_cluster(tmp_path: Path, secret: str) -> None:
    with pytest.raises(BadInput, match=r"emqx:credentials\.green: .*a colon, a blank") as refused:
        plan_of(settings(tmp_path), credentials(apiSecret=secret))
    assert "ted" not in str(refused.value).replace("character", "")


def test_one_account_with_two_secrets_is_refused_when_accounts_are_carried(tmp_path: Path) -> None:
    balancer(tmp_path, 1_000, "origin =blue")
    with pytest.raises(BadInput, match="the dashboard user admin exists on the old colour with another secret"):
        plan_of(settings(tmp_path), credentials(password="planted-3"))
    plan_of(settings(tmp_path), credentials())
    plan_of(settings(tmp_path, carryApiKeys=False), credentials(password="planted-3"))


def test_what_cannot_be_read_of_the_old_colour_is_refused_in_our_words(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"reading the effective configuration on blue: .*no HOCON") as refused:
        _advice(settings(tmp_path), Fleet(), 'a = "planted\nb {')
    assert "planted" not in str(refused.value)
    strange = settings(tmp_path)
    strange = strange.model_copy(update={"cutover": strange.cutover.model_copy(update={"acknowledge": ("99-99",)})})
    with pytest.raises(BadInput, match="no rule is called 99-99"):
        _advice(strange, Fleet(), None)
