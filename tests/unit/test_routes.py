"""The route matrix: every pair of it has a row here, and whatever is answered is made of its hops."""

from __future__ import annotations

import re
from contextlib import nullcontext
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.cutover.routes import CONDITIONS, MATRIX, Hop, RefusedRoute, Route, route
from components.cutover.versions import KNOWN, BadVersion, Version, newest, parse
from components.cutover.words import Edition

pytestmark = pytest.mark.unit
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no fault of the code."""

ROWS = {
    "4.0": "4.0.13", "4.1": "4.1.5", "4.2": "4.2.14", "4.3": "4.3.22", "4.4": "4.4.19",
    "5.0": "5.0.26", "5.1": "5.1.6", "5.2": "5.2.1", "5.3": "5.3.2", "5.4": "5.4.1", "5.5": "5.5.1",
    "5.6": "5.6.1", "5.7": "5.7.2", "5.8": "5.8.11", "5.9": "5.9.3", "5.10": "5.10.4", "6.0": "6.0.4", "6.1": "6.1.5", "6.2": "6.2.4", "6.3": "6.3.1",
}  # fmt: skip
COLUMNS = {
    "4.3": ["4.3"], "4.4": ["4.4"], "5.1-5.3": ["5.1", "5.2", "5.3"], "5.4/5.5": ["5.4", "5.5"], "5.6-5.8": ["5.6", "5.7", "5.8"],
    "5.9": ["5.9"], "5.10": ["5.10"], "6.x": ["6.0", "6.1", "6.2", "6.3"],
}  # fmt: skip
# T two-cluster, R roll, a "via" path, - nothing; the table as it stands in docs/emqx/routes.md#matrix
TABLE = {
    ("4.0", "4.1", "4.2"): ["T", "4.3", "4.3 4.4", "4.3 4.4", "4.3 4.4", "4.3 4.4", "4.3 4.4", "4.3 4.4"],
    ("4.3",): ["R", "R", "4.4", "4.4", "4.4", "4.4", "4.4", "4.4"],
    ("4.4",): ["-", "R", "T", "T", "T", "T", "T", "T"],
    ("5.0", "5.1", "5.2", "5.3"): ["-", "-", "R", "R", "R", "R", "5.9", "5.9"],
    ("5.4", "5.5"): ["-", "-", "-", "R", "R", "R", "R", "5.10"],
    ("5.6", "5.7", "5.8"): ["-", "-", "-", "-", "R", "R", "R", "R"],
    ("5.9", "5.10"): ["-", "-", "-", "-", "-", "R", "R", "R"],
    ("6.0", "6.1", "6.2", "6.3"): ["-", "-", "-", "-", "-", "-", "-", "R"],
}
PAIRS = [
    pytest.param(ROWS[source], ROWS[target], cell, id=f"{source}->{target}")
    for sources, cells in TABLE.items()
    for cell, targets in zip(cells, COLUMNS.values(), strict=True)
    for source in sources
    for target in targets
]


@pytest.mark.parametrize(("source", "target", "cell"), PAIRS)
def test_each_pair_of_the_matrix_is_answered_as_its_cell_says(source: str, target: str, cell: str) -> None:
    answer = route(source, target)
    if parse(target) < parse(source):
        assert isinstance(answer, RefusedRoute)
        assert "downgrade" in answer.reason
        assert answer.path == ()
    elif cell == "T":
        assert isinstance(answer, Route)
        assert answer.hops[0].strategies == ("two-cluster",)
    elif cell == "R":
        assert isinstance(answer, Route)
        assert all("rolling" in hop.strategies for hop in answer.hops)
    else:
        assert isinstance(answer, RefusedRoute)
        assert [str(hop.target).rsplit(".", 1)[0] for hop in answer.path[:-1]] == cell.split()
        assert all(str(hop) in answer.reason for hop in answer.path)


def test_every_cell_of_the_matrix_is_reached_by_a_pair() -> None:
    lines = [(parse(row.values[0]).line, parse(row.values[1]).line) for row in PAIRS]  # type: ignore[arg-type]
    assert all(any(cell.covers(*pair) for pair in lines) for cell in MATRIX)
    assert len(PAIRS) == 20 * 16


EDITIONS: tuple[Edition, ...] = get_args(Edition)


def releases(edition: Edition) -> list[str]:
    return [str(Version(*line, patch)) for line, last in KNOWN[edition].items() for patch in range(last + 1)]


@st.composite
def moves(draw: st.DrawFn) -> tuple[str, str, Edition, Edition]:
    source, target = draw(st.sampled_from(EDITIONS)), draw(st.sampled_from(EDITIONS))
    return draw(st.sampled_from(releases(source))), draw(st.sampled_from(releases(target))), source, target


@PATIENT
@given(moves())
def test_every_path_is_made_of_allowed_hops_rises_and_ends_at_the_target(
    move: tuple[str, str, Edition, Edition],
) -> None:
    source, target, edition_from, edition_to = move
    answer = route(*move)
    hops = answer.hops if isinstance(answer, Route) else answer.path
    if not hops:
        same = (source, edition_from) == (target, edition_to)
        assert isinstance(answer, Route) is same
        return
    assert hops[0].source == parse(source)
    assert hops[-1].target == parse(target)
    assert all(one.target == two.source for one, two in pairwise(hops))
    assert all(hop.source <= hop.target for hop in hops)
    assert all(set(hop.conditions) <= set(CONDITIONS) and hop.strategies for hop in hops)
    for hop in hops:
        allowed = any(cell.covers(hop.source.line, hop.target.line) for cell in MATRIX)
        assert allowed or hop.source.line == hop.target.line
    assert len(hops) > 1 or isinstance(answer, Route)


@PATIENT
@given(moves())
def test_enterprise_never_becomes_open_source_and_nothing_goes_down(move: tuple[str, str, Edition, Edition]) -> None:
    source, target, edition_from, edition_to = move
    answer = route(*move)
    if parse(target) < parse(source) or (edition_from, edition_to) == ("ee", "ce"):
        assert isinstance(answer, RefusedRoute)
        assert answer.path == ()


@PATIENT
@given(moves())
def test_each_hop_of_a_refused_route_is_itself_allowed(move: tuple[str, str, Edition, Edition]) -> None:
    answer = route(*move)
    if isinstance(answer, RefusedRoute) and answer.path:
        edition = move[2]
        for hop in answer.path:
            after = move[3] if hop is answer.path[-1] else edition if hop.target.line in KNOWN[edition] else "ee"
            assert isinstance(route(str(hop.source), str(hop.target), edition, after), Route)
            edition = after


def only(answer: Route | RefusedRoute) -> Hop:
    assert isinstance(answer, Route), answer
    return answer.hops[0]


@pytest.mark.parametrize(
    ("source", "target", "condition", "asked"),
    [
        ("4.2.14", "4.3.22", "restart-after-import", True),
        ("4.2.14", "4.3.22", "credential-type", True),
        ("4.2.14", "4.3.22", "empty-data-directory", True),
        ("4.2.10", "4.3.22", "newest-patch-first", True),
        ("4.2.14", "4.3.22", "newest-patch-first", False),
        ("4.3.22", "4.4.33", "to-newest-4.4", True),
        ("4.4.33", "5.8.11", "empty-data-directory", True),
        ("5.3.2", "5.9.3", "full-restart", True),
        ("5.3.2", "5.4.1", "routing-schema", True),
        ("5.3.2", "5.8.11", "routing-schema", False),
        ("5.4.1", "5.8.11", "full-restart", False),
        ("5.8.7", "5.9.0", "tracing", True),
        ("5.8.7", "5.9.1", "tracing", False),
        ("5.8.6", "5.9.0", "tracing", False),
        ("5.8.11", "5.10.0", "tracing", True),
        ("5.7.2", "5.8.11", "durable-storage", True),
        ("5.7.2", "5.9.3", "durable-storage", True),
        ("5.6.1", "5.10.4", "durable-storage", True),
        ("5.8.11", "5.10.4", "durable-storage", False),
        ("5.8.10", "5.8.11", "durable-storage", False),
        ("5.6.1", "5.7.2", "durable-storage", False),
        ("5.8.11", "5.9.3", "licence-before-start", True),
        ("5.9.3", "5.10.4", "licence-before-start", False),
        ("5.8.11", "6.0.4", "durable-sessions-lost", True),
        ("6.1.5", "6.2.0", "durable-storage-6.2", True),
        ("6.1.5", "6.2.1", "durable-storage-6.2", False),
        ("6.2.4", "6.3.0", "bootstrap-key-6.3", True),
        ("6.2.4", "6.3.1", "bootstrap-key-6.3", False),
    ],
)
def test_a_hop_asks_for_what_the_notes_of_the_matrix_say(source: str, target: str, condition: str, asked: bool) -> None:
    assert (condition in only(route(source, target)).conditions) is asked


def test_5_3_to_5_10_goes_over_5_9_and_a_full_restart() -> None:
    answer = route("5.3.2", "5.10.4")
    assert isinstance(answer, RefusedRoute)
    assert "510-02" in answer.reason
    assert "full-restart" in answer.path[0].conditions


def test_open_source_to_enterprise_is_an_upgrade_with_a_licence_per_node() -> None:
    hop = only(route("5.8.9", "5.8.9", "ce", "ee"))
    assert "licence-per-node" in hop.conditions
    assert "rolling" in hop.strategies


def test_open_source_4_x_becomes_enterprise_only_in_a_cluster_of_its_own() -> None:
    assert only(route("4.3.22", "4.4.33", "ce", "ee")).strategies == ("two-cluster",)


@pytest.mark.parametrize(
    ("source", "target", "edition_from", "edition_to", "names"),
    [
        ("4.5.0", "5.8.11", "ee", "ee", "4.5"),
        ("4.4.19", "5.8.99", "ee", "ee", "5.8.11"),
        ("4.4.19", "7.0.0", "ee", "ee", "7.0"),
        ("5.8.9", "5.9.0", "ce", "ce", "5.9"),
        ("three", "5.8.11", "ee", "ee", "'three'"),
        ("5.8.0-rc.1", "5.8.11", "ee", "ee", "'5.8.0-rc.1' is no EMQX version that was released"),
        ("5.7.2", "5.8.11-g1a2b3c", "ee", "ee", "was released"),
        ("e4.4.19", "5.8.9", "ce", "ce", "e4.4.19 is an Enterprise release"),
        ("4.4.19", "e5.8.9", "ce", "ce", "e5.8.9 is an Enterprise release"),
        ("4.4.19", "", "ee", "ee", "''"),
        ("4.0.13", "4.2.14", "ee", "ee", "no row"),
        ("4.4.19", "5.0.26", "ee", "ee", "no row"),
    ],
)
def test_what_is_not_known_is_refused_and_named(
    source: str, target: str, edition_from: Edition, edition_to: Edition, names: str
) -> None:
    answer = route(source, target, edition_from, edition_to)
    assert isinstance(answer, RefusedRoute)
    assert names in answer.reason


@pytest.mark.parametrize(
    ("source", "target", "path"),
    [
        ("5.8.9", "5.10.4", ["5.10.4"]),
        ("5.3.2", "5.10.4", ["5.9.3", "5.10.4"]),
        ("4.2.14", "6.3.1", ["4.3.22", "4.4.19", "6.3.1"]),
        ("5.9.3", "6.3.1", ["6.3.1"]),
    ],
)
def test_open_source_that_is_gone_is_refused_with_the_way_into_the_one_edition(
    source: str, target: str, path: list[str]
) -> None:
    answer = route(source, target, "ce", "ce")
    assert isinstance(answer, RefusedRoute)
    assert "59-01" in answer.reason
    assert [str(hop.target) for hop in answer.path] == path
    assert all(str(hop) in answer.reason for hop in answer.path)


def test_open_source_that_is_gone_says_so_where_no_way_leads() -> None:
    for answer in (route("5.10.4", "5.9.3", "ce", "ce"), route("5.9.3", "5.9.3", "ce", "ce")):
        assert isinstance(answer, RefusedRoute)
        assert answer.path == ()
        assert "59-01" in answer.reason


def test_a_prefix_of_a_name_is_no_other_version() -> None:
    assert route("e4.4.19", "v5.8.6") == route("4.4.19", "5.8.6")


def test_a_release_that_is_added_to_the_table_is_known() -> None:
    known = {**KNOWN, "ee": {**KNOWN["ee"], (6, 4): 0}}
    assert isinstance(route("6.3.1", "6.4.0", known=known), Route)


@PATIENT
@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.sampled_from(["", "v", "e"]))
def test_a_version_reads_back_as_it_is_written(major: int, minor: int, patch: int, prefix: str) -> None:
    version = Version(major, minor, patch)
    assert parse(prefix + str(version)) == version


@PATIENT
@given(st.text(max_size=60))
def test_any_text_is_a_version_or_a_bad_version(text: str) -> None:
    shape = re.fullmatch(r"[ve]?\d{1,3}\.\d{1,3}(\.\d{1,3})?", text.strip(), re.ASCII)
    with nullcontext() if shape else pytest.raises(BadVersion, match="no EMQX version"):
        parse(text)


def test_the_newest_of_an_unknown_line_names_the_known_ones() -> None:
    with pytest.raises(BadVersion, match=r"5\.10"):
        newest((9, 9), "ee")


@pytest.mark.parametrize(
    ("source", "target", "way"),
    [
        ("4.4.19", "5.0.26", "5.1.6: go 4.4.19 -> 5.1.6 (two-cluster)"),
        ("4.0.13", "4.2.14", "4.3.22: go 4.0.13 -> 4.3.22 (two-cluster)"),
        ("4.2.14", "5.0.3", "5.1.6: go 4.2.14 -> 4.3.22 (two-cluster), then 4.3.22 -> "),
    ],
)
def test_where_no_way_leads_the_nearest_target_that_can_be_reached_is_named(source: str, target: str, way: str) -> None:
    for edition in EDITIONS:
        assert isinstance(answer := route(source, target, edition, edition), RefusedRoute)
        assert answer.path == ()
        assert f"the nearest that can be reached is {way}" in answer.reason


@PATIENT
@given(moves())
def test_a_refused_route_names_a_way_or_says_what_no_way_can_mend(move: tuple[str, str, Edition, Edition]) -> None:
    answer = route(*move)
    if isinstance(answer, RefusedRoute) and not answer.path:
        never = parse(move[1]) < parse(move[0]) or move[2:] == ("ee", "ce")
        assert never or "; go " in answer.reason or "can be reached is" in answer.reason


@pytest.mark.parametrize("target", ["5.1.6", "5.4.1", "5.8.9"])
def test_the_way_off_5_0_says_that_it_exports_nothing(target: str) -> None:
    assert isinstance(answer := route("5.0.26", target, "ce", "ce"), Route)
    assert "off-5.0" in answer.hops[0].conditions
