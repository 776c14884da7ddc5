"""What differs between two configurations is told thing by thing, and what clients notice comes first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.hocon.document import loads
from components.migration.unlike import MOST_TOLD, Path, Unlike, leaves, lines, unlike

pytestmark = pytest.mark.unit

COMMON = """
listeners {tcp.default {bind = "0.0.0.0:1883", max_connections = infinity, enable = true, zone = default}}
authentication = [{mechanism = password_based, backend = built_in_database, enable = true}]
authorization {no_match = deny, cache {enable = true, ttl = 1m}, sources = [{type = file, path = "a", enable = true}]}
mqtt {max_packet_size = 1MB, retain_available = true}
sysmon.os.cpu_check_interval = 60s
log.console.level = warning
"""
EXTRA_LISTENER = "\nlisteners.tcp.extra {bind = 1884, max_connections = 5, enable = true, zone = z, acceptors = 4}\n"


def marks(text: str) -> dict[Path, str]:
    return {path: repr(value) for path, value in leaves(loads(text))}


def found(blue: str, green: str) -> list[tuple[str, str, str, bool]]:
    return [(one.kind, one.name, one.state, one.grave) for one in unlike(marks(blue), marks(green))]


def test_a_listener_that_one_lacks_is_one_difference() -> None:
    assert found(COMMON + EXTRA_LISTENER, COMMON) == [("listener", "tcp:extra", "missing", True)]
    assert found(COMMON, COMMON + EXTRA_LISTENER) == [("listener", "tcp:extra", "extra", False)]
    (one,) = unlike(marks(COMMON + EXTRA_LISTENER), marks(COMMON))
    assert one.said("blue", "green") == "listener tcp:extra: only on blue (4 settings)"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("max_connections = infinity", "max_connections = 9"), ("limit", "listeners.tcp.default.max_connections")),
        (("zone = default", "zone = other"), ("listener", "tcp:default")),
        (("no_match = deny", "no_match = allow"), ("authorization", "authorization.no_match")),
        (("max_packet_size = 1MB", "max_packet_size = 2MB"), ("limit", "mqtt.max_packet_size")),
        (("retain_available = true", "retain_available = false"), ("mqtt", "mqtt.retain_available")),
        (('type = file, path = "a", enable = true', "type = file, enable = false"), ("authorization", "file")),
        (("backend = built_in_database, enable = true", "backend = built_in_database, enable = false"),
         ("authenticator", "password_based:built_in_database")),
    ],
)  # fmt: skip
def test_what_clients_notice_is_grave_and_named(change: tuple[str, str], told: tuple[str, str]) -> None:
    assert change[0] in COMMON
    assert found(COMMON, COMMON.replace(*change)) == [(*told, "different", True)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("cpu_check_interval = 60s", "cpu_check_interval = 30s"), "sysmon.os.cpu_check_interval"),
        (("ttl = 1m", "ttl = 2m"), "authorization.cache.ttl"),
    ],
)
def test_what_only_operators_notice_is_not_grave(change: tuple[str, str], told: str) -> None:
    assert change[0] in COMMON
    assert found(COMMON, COMMON.replace(*change)) == [("other", told, "different", False)]


def test_each_clusters_own_is_no_difference() -> None:
    other = COMMON.replace("level = warning", "level = debug").replace("0.0.0.0:1883", ":11883").replace('"a"', '"b"')
    assert found(COMMON, other) == []


def test_an_authenticator_that_stands_elsewhere_in_the_chain_is_not_another_one() -> None:
    jwt = "{mechanism = jwt, secret = s}"
    built_in = "{mechanism = password_based, backend = built_in_database, enable = true}"
    assert found(f"authentication = [{jwt}, {built_in}]", f"authentication = [{built_in}, {jwt}]") == []
    assert found(f"authentication = [{jwt}, {built_in}]", f"authentication = [{built_in}]") == [
        ("authenticator", "jwt", "missing", True)
    ]
    assert found("authentication = []", f"authentication = [{built_in}]") == [
        ("authenticator", "password_based:built_in_database", "extra", True)
    ]


def test_what_is_told_is_bounded_counts_all_and_says_where_the_rest_is() -> None:
    many = "".join(f"\nsysmon.vm.s{number} = 1" for number in range(30))
    told = lines(unlike(marks(COMMON + EXTRA_LISTENER + many), marks(COMMON)), "blue", "green", "the report")
    assert told == [
        "green's configuration differs from blue's (1 grave, 30 others), and no import carries it; carry the grave ones to green by hand",
        "  listener tcp:extra: only on blue (4 settings)",
        "  and 30 more, all in the report",
    ]
    limits = "".join(f"\nlimiter.l{number} = 1" for number in range(22))
    told = lines(unlike(marks(COMMON + limits), marks(COMMON)), "blue", "green", "the report")
    assert told[0].startswith("green's configuration differs from blue's (22 grave, 0 others)")
    assert len(told) == MOST_TOLD + 2
    assert told[-1] == f"  and {22 - MOST_TOLD} more, all in the report"


def test_where_nothing_differs_nothing_is_told_and_what_cannot_be_compared_is_not_called_equal() -> None:
    assert lines((), "blue", "green", "the report") == []
    assert "cannot be compared" in lines(None, "blue", "green", "the report")[0]
    (one,) = unlike(marks(COMMON + "\nsysmon.a = 1"), marks(COMMON))
    assert lines((one,), "blue", "green", "the report") == [
        "green's configuration differs from blue's (0 grave, 1 others), and no import carries it",
        "  and 1 more, all in the report",
    ]


@given(st.integers(0, 40), st.integers(0, 40))
def test_what_is_shown_and_the_rest_are_all(grave: int, others: int) -> None:
    more = "".join(f"\nlimiter.l{number} = 1" for number in range(grave))
    more += "".join(f"\nsysmon.s{number} = 1" for number in range(others))
    told = lines(unlike(marks(COMMON + more), marks(COMMON)), "blue", "green", "the report")
    rest = [int(line.split()[1]) for line in told if line.endswith(" more, all in the report")]
    assert sum(": only on blue" in line for line in told) + sum(rest) == grave + others


PATHS = st.lists(
    st.tuples(
        st.sampled_from(["listeners", "authentication", "authorization", "mqtt", "limiter", "sysmon"]),
        st.sampled_from(["tcp", "sources", "a"]),
        st.sampled_from(["x", "file", "a.b"]),
        st.sampled_from(["max_a", "enable", "burst"]),
    ),
    unique=True,
)
MARKS = st.dictionaries(
    PATHS.flatmap(lambda some: st.sampled_from(some or [("a", "b", "c", "d")])), st.sampled_from("12")
)


@given(MARKS, MARKS)
def test_every_path_that_differs_is_in_one_entry_and_the_way_back_mirrors_it(
    blue: dict[Path, str], green: dict[Path, str]
) -> None:
    forth, back = unlike(blue, green), unlike(green, blue)
    told = sorted(path for one in forth for path in one.paths)
    assert told == sorted(".".join(path) for path in blue.keys() | green.keys() if blue.get(path) != green.get(path))
    mirror = {"missing": "extra", "extra": "missing", "different": "different"}
    assert {(one.kind, one.name, mirror[one.state]) for one in forth} == {
        (one.kind, one.name, one.state) for one in back
    }
    assert unlike(blue, blue) == ()
    assert [one.grave for one in forth] == sorted((one.grave for one in forth), reverse=True)


def test_it_goes_through_json_and_back() -> None:
    one = unlike(marks(COMMON + EXTRA_LISTENER), marks(COMMON))[0]
    assert Unlike.model_validate_json(one.model_dump_json()) == one
