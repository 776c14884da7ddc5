"""The kinds of client do what was recorded: who comes back after what, after how long, and who never does."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.fleet.kind import MQTT_3_1_1, MQTT_5, Cause, End, Kind, Tries, decide
from lab.fleet.kinds import ALL, KINDS, MIXTURE, PLAIN

pytestmark = pytest.mark.unit

PAGE = (Path(__file__).parents[2] / "docs" / "emqx" / "clients.md").read_text(encoding="utf-8")
WHO = PAGE.partition("## Who comes back")[2].partition("\n## ")[0]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in WHO.splitlines() if line.startswith("| ")][1:]
LEVEL = {MQTT_5: "5", MQTT_3_1_1: "3.1.1"}
LIBRARIES = [kind for kind in ALL if kind.library]
FIN = End(Cause.FIN, "FIN", live=True)
RST = End(Cause.RST, "RST", live=True)
REFUSED_TCP = End(Cause.TCP, "ECONNREFUSED", live=False)


def disconnect(code: int = 0x98) -> End:
    return End(Cause.DISCONNECT, f"{code:#04x}", live=True, code=code)


def connack(code: int) -> End:
    return End(Cause.CONNACK, f"connack {code:#04x}", live=False, code=code)


def row(kind: Kind, level: int) -> list[str]:
    """The one line of the page that is about this kind at this level."""
    mine = [
        cells
        for cells in ROWS
        if cells[0].startswith(kind.library) and kind.version in cells[1] and LEVEL[level] in cells[3].split(", ")
    ]
    assert len(mine) == 1, (kind.name, level, mine)
    return mine[0]


def waits(kind: Kind, ends: list[End], chance: float = 0.5) -> list[float | None]:
    """What the kind does after each; the list ends when it stays away."""
    tries, found = Tries(), []
    for end in ends:
        tries, wait = decide(kind, tries, end, chance)
        found.append(wait)
        if wait is None:
            break
    return found


@pytest.mark.parametrize(("kind", "level"), [(kind, level) for kind in LIBRARIES for level in kind.levels])
def test_who_comes_back_after_which_end_is_as_the_page_says(kind: Kind, level: int) -> None:
    cells = row(kind, level)
    for end, said in zip((FIN, RST, disconnect()), cells[4:7], strict=True):
        if said == "-":
            assert level == MQTT_3_1_1, "only there does a server never say DISCONNECT"
            continue
        comes = decide(kind, Tries(), end, 0.5).wait_seconds is not None
        assert comes == said.startswith("yes"), (kind.name, end.cause, said)


RECORDED: dict[str, list[float]] = {
    "plain": [0.1, 0.375, 0.75, 1.5, 3.0, 6.0, 7.5, 7.5],
    "libmosquitto": [1.0] * 12,
    "libmosquitto-old": [1.0] * 12,
    "paho-python": [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 120.0, 120.0],
    "aiomqtt": [5.0] * 12,
    "gmqtt": [6.0] * 12,
    "aws": [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0],
    "azure": [0.01, *[10.0] * 11],
    "paho-c": [1.5, 3.0, 6.0, 12.0, 21.0, 30.0, 60.0, 60.0],
    "paho-java": [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 128.0],
    "hivemq": [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 120.0, 120.0],
    "paho-go": [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 600.0, 600.0],
    "autopaho": [0.0, *[10.0] * 11],
    "rumqttc-paused": [0.5] * 12,
    "mqttjs": [1.0] * 12,
    "mqttjs-5.16": [1.0] * 12,
    "node-red": [5.0] * 12,
    "emqtt": [5.0] * 12,
    "esp-mqtt": [10.0] * 12,
    "pubsubclient": [2.5, *[5.0] * 11],
    "tasmota": [0.5, *[float(wait) for wait in range(10, 121, 10)], 120.0],
}
"""Seconds before the first try after a FIN, and before each one after a refused TCP connection; at half of each random range."""


@pytest.mark.parametrize("name", RECORDED)
def test_the_waits_grow_as_recorded(name: str) -> None:
    expected = RECORDED[name]
    assert waits(KINDS[name], [FIN, *[REFUSED_TCP] * (len(expected) - 1)]) == expected


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("plain", 0.0, 0.2), ("aws", 0.0, 1.0), ("hivemq", 0.75, 1.25), ("pubsubclient", 0.0, 5.0), ("tasmota", 0.0, 1.0)],
)
def test_the_jitter_has_the_recorded_bounds(name: str, least: float, most: float) -> None:
    assert waits(KINDS[name], [FIN], chance=0.0) == [least]
    assert waits(KINDS[name], [FIN], chance=1.0) == [most]


@pytest.mark.parametrize(
    ("name", "fatal", "survived"),
    [
        ("libmosquitto", (0x87, 0x88, 0x89, 0x9C), (3, 5)),
        ("libmosquitto-old", (0x87, 0x88, 0x89, 0x9C), (3, 5)),
        ("mosquitto-sub", (0x87, 0x88, 0x89, 0x9C, 3, 5), ()),
        ("paho-python", (), (0x87, 0x88, 0x89, 0x9C, 3, 5)),
        ("gmqtt", (0x9C, 0x87, 5, 1, 2, 4), (0x88, 0x89, 3)),
        ("azure", (4, 5), (3,)),
        ("mqttjs", (), (0x87, 0x88, 0x89, 0x9C, 3, 5)),
        ("mqttjs-5.16", (0x87, 0x88, 0x89, 0x9C, 3, 5), ()),
        ("mqttx", (0x87, 0x88, 0x9C), ()),
        ("node-red", (), (0x87, 0x9C, 3, 5)),
        ("esp-mqtt", (), (0x87, 0x9C, 3, 5)),
    ],
)
def test_whom_a_refused_connect_ends_is_as_recorded(
    name: str, fatal: tuple[int, ...], survived: tuple[int, ...]
) -> None:
    kind = KINDS[name]
    assert [code for code in (*fatal, *survived) if waits(kind, [FIN, connack(code)])[-1] is None] == list(fatal)


def test_a_refused_connect_may_cost_more_than_a_refused_connection() -> None:
    assert waits(KINDS["aiomqtt"], [FIN, connack(0x9C), REFUSED_TCP]) == [5.0, 15.0, 5.0]
    assert waits(KINDS["rumqttc"], [FIN, connack(0x9C), REFUSED_TCP]) == [0.0, 0.003, 0.0005]


def test_only_the_command_line_client_exits_at_a_refused_connection() -> None:
    assert [kind.name for kind in ALL if waits(kind, [FIN, REFUSED_TCP])[-1] is None and waits(kind, [FIN])[-1]] == [
        "mqttx"
    ]


def test_a_count_of_tries_is_of_those_without_an_answer() -> None:
    counting = KINDS["emqtt-count"]
    assert waits(counting, [FIN, *[REFUSED_TCP] * 10]) == [5.0] * 10 + [None]
    begun_anew = [FIN, *[REFUSED_TCP] * 9, connack(0x9C), *[REFUSED_TCP] * 9]
    assert waits(counting, begun_anew) == [5.0] * len(begun_anew)


ENDS = st.sampled_from(
    [
        FIN,
        RST,
        disconnect(),
        disconnect(0x8E),
        REFUSED_TCP,
        End(Cause.FIN, "FIN", live=False),
        End(Cause.GIVEN_UP, "no answer", live=True),
        *(connack(code) for code in (3, 5, 0x87, 0x88, 0x89, 0x9C)),
    ]
)


@given(kind=st.sampled_from(ALL), ends=st.lists(ENDS, max_size=40), chance=st.floats(0, 1))
def test_whatever_happens_a_wait_is_one_of_the_kinds_own(kind: Kind, ends: list[End], chance: float) -> None:
    tries = Tries()
    for end in ends:
        before = tries
        tries, wait = decide(kind, before, end, chance)
        if end.live:
            assert tries == Tries(), "a connection that was accepted begins the tries anew"
        else:
            assert tries.failed == before.failed + 1
            assert tries.unanswered <= tries.failed
        if wait is None:
            assert end.cause in kind.ends or end.code in kind.ends_at or tries.unanswered == kind.most_tries
            return
        assert end.cause not in kind.ends
        low, high = kind.first if end.live else (0.0, max(*kind.then, *kind.refused_then, 0.0) * kind.spread[1])
        assert low <= wait <= high


@given(kind=st.sampled_from(LIBRARIES), chance=st.floats(0, 1))
def test_the_waits_of_an_outage_never_shrink(kind: Kind, chance: float) -> None:
    found = [wait for wait in waits(kind, [FIN, *[REFUSED_TCP] * 20], chance)[1:] if wait is not None]
    assert all(shorter <= longer for shorter, longer in pairwise(found))


def test_each_name_is_of_one_kind() -> None:
    assert len(KINDS) == len(ALL)
    assert PLAIN.name == "plain"


def test_the_mixture_leaves_out_nobody_who_comes_back_but_the_one_without_a_pause() -> None:
    comes_back = {kind.name for kind in LIBRARIES if waits(kind, [FIN]) != [None]}
    assert set(MIXTURE) == comes_back - {"rumqttc"}
    assert sum(MIXTURE.values()) == 100


def test_most_of_the_mixture_comes_back_after_a_second_without_jitter() -> None:
    second = sum(weight for name, weight in MIXTURE.items() if KINDS[name].first == (1.0, 1.0))
    assert second > 50
    assert max(KINDS[name].mean_first_seconds for name in MIXTURE) == 10.0


def test_some_of_the_mixture_subscribe_again_and_some_do_not() -> None:
    weights = {
        habit: sum(weight for name, weight in MIXTURE.items() if KINDS[name].subscribes == habit)
        for habit in ("each connect", "no session", "once")
    }
    assert min(weights.values()) >= 5, weights


def test_a_page_that_says_otherwise_would_be_seen() -> None:
    assert len(ROWS) > 25
    assert {re.sub(r"[*]", "", cells[4]) for cells in ROWS} >= {"yes", "no"}
