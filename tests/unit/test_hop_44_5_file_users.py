"""A user of the files is on green with its password, or is said not to be, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.cutover.versions import parse
from components.migration.facts import Plan
from components.migration.hop_44_5 import Conversion, Options, Source, convert
from components.migration.loading import load
from tests.unit.hop_44_5_bed import NOW, run, user

pytestmark = pytest.mark.unit

CASE = Path(__file__).parent / "recordings/field/03-env-user-without-word"
LOADED = {"loaded_plugins": "{emqx_auth_mnesia, true}.\n"}


def of_field(*names: str) -> Conversion:
    facts = load(Plan(parse("4.4.19"), parse("5.8.9"), "ce", "ce"), tuple(CASE / name for name in names))
    settings = tuple(setting for conf in facts.confs or () for setting in conf.settings)
    source = Source(None, "export", settings, facts.files, facts.kinds, facts.environment)
    return convert(source, "4.4.19", "5.8.9", Options(now=NOW, edition="ce"))


@pytest.mark.parametrize("name", ["etc", "passthrough.yml"])
def test_a_user_whose_password_is_nowhere_is_dropped_by_name_and_nothing_says_that_it_is_in_an_export(
    name: str,
) -> None:
    conversion = of_field(name)
    item = next(item for item in conversion.account.items if item.label == "auth.user.1.username")
    assert (str(item.verdict), item.how) == ("dropped", "this user (meter-1) has no password here")
    assert item.had_effect
    assert not [one for one in conversion.account.items if "in the export" in one.how]
    assert not [one for one in conversion.requests if one.path.endswith("/users")]


def test_a_user_who_is_in_the_export_needs_no_password_here() -> None:
    conversion = run({"auth_mnesia": [user("ann")]}, {"auth.user.1.username": "ann"}, LOADED)
    item = next(item for item in conversion.account.items if item.label == "auth.user.1.username")
    assert (str(item.verdict), item.how) == ("carried", "this user is in the export")


def test_a_password_without_a_name_is_said_to_be_one_and_not_shown() -> None:
    conversion = run({}, {"auth.client.4.password": "S3CRET"}, LOADED)
    item = next(item for item in conversion.account.items if item.label == "auth.client.4.password")
    assert (str(item.verdict), item.how) == ("dropped", "a password whose user is not named here")
    assert "S3CRET" not in conversion.account.to_json(origin="4.4.19", target="5.8.11")
