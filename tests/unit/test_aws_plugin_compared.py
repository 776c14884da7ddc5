"""What the lab's AWS plugin calls a difference, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from lab.aws.plugin.compared import changed, filled, problems
from lab.aws.plugin.kind import CHOSEN, FIXED, PLAIN, SET, Aws, Kind, Property, Props, named

pytestmark = pytest.mark.unit


class Thing(Kind):
    token = "aws:test/thing:Thing"
    regional = False
    inputs = {  # noqa: RUF012 - as its siblings
        "name": named(12),
        "size": CHOSEN,
        "zone": FIXED,
        "groups": SET,
        "port": Property(default=1883),
        "check": Property(computed=True, inside={"path": PLAIN, "interval": Property(default=30)}),
        "tags": PLAIN,
    }

    def create(self, aws: Aws, given: Props) -> str:
        raise NotImplementedError

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        raise NotImplementedError

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        raise NotImplementedError


THERE = {
    "name": "mine",
    "size": 8,
    "zone": "a",
    "groups": ["x", "y"],
    "port": 1883,
    "check": {"path": "/", "interval": 30, "timeout": 10},
    "tags": {"of": "me"},
}


@pytest.mark.parametrize(
    ("wanted", "differs"),
    [
        ({}, {}),
        ({"groups": ["y", "x"]}, {}),
        ({"groups": ["y"]}, {"groups": False}),
        ({"port": "1883"}, {}),
        ({"zone": "b"}, {"zone": True}),
        ({"zone": UNKNOWN}, {"zone": True}),
        ({"check": {"path": "/"}}, {}),
        ({"check": {"path": "/status"}}, {"check": False}),
        ({"tags": {}}, {"tags": False}),
        ({"tags": {"of": "me", "more": "1"}}, {"tags": False}),
        ({"size": 9}, {"size": False}),
        ({"size": None}, {}),
        ({"check": None}, {}),
        ({"tags": None}, {"tags": False}),
    ],
)
def test_only_what_is_declared_differs(wanted: dict[str, Any], differs: dict[str, bool]) -> None:
    declared = {name: value for name, value in THERE.items() if name != "check"}
    new = {name: value for name, value in {**declared, **wanted}.items() if value is not None}
    assert changed(Thing(), new, THERE, declared) == differs


def test_a_property_that_is_not_served_is_named_with_its_place() -> None:
    given = {"size": 1, "speed": 2, "check": {"path": "/", "colour": "red"}, "__defaults": []}
    assert [at for at, _ in problems(given, Thing.inputs)] == ["speed", "check.colour"]


def test_defaults_are_filled_and_a_name_is_made_that_fits_and_stays() -> None:
    full = filled({"check": {"path": "/"}}, Thing.inputs, "a-long-name-of-mine", b"seed")
    assert full["port"] == 1883
    assert full["check"] == {"path": "/", "interval": 30}
    assert len(full["name"]) == 12
    assert full["name"].startswith("a-lo-")
    assert full == filled({"check": {"path": "/"}}, Thing.inputs, "a-long-name-of-mine", b"seed")
