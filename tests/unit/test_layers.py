"""Rules see what nodes run with: files over one another as EMQX lays them, included files where they are included, variables over all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.versions import parse
from components.migration.__main__ import main
from components.migration.check import check
from components.migration.configs import hocon
from components.migration.facts import Facts, Plan
from components.migration.layers import in_effect
from components.migration.loading import add, load
from components.migration.manifest import BadSource
from components.migration.rules import Hit
from components.migration.sources.base import Variable
from lab.node.archive.printed import dumps

pytestmark = pytest.mark.unit
INCLUDING = Path(__file__).parent / "recordings/field/11-hocon-include"
BELOW_5_1 = Plan(parse("5.0.26"), parse("5.8.11"))
PLAN = Plan(parse("5.6.1"), parse("5.10.4"), "ee", "ee", strategy="two-cluster")


def laid(files: dict[str, str], **variables: str) -> dict[str, Any]:
    (whole,) = in_effect(
        [hocon.parse(name, text) for name, text in files.items()],
        [Variable("x.env", number, f"EMQX_{name}", value) for number, (name, value) in enumerate(variables.items(), 1)],
    )
    return dict(whole.tree)


def hits(facts: Facts) -> set[str]:
    return {one.rule.id for one in check(facts).verdicts if isinstance(one.finding, Hit)}


def test_each_file_lies_over_the_one_that_emqx_puts_below() -> None:
    files = {
        "etc/emqx.conf": "a.emqx = 1\na.both = emqx\nl = [1]",
        "data/configs/cluster.hocon": "a.cluster = 1\na.both = cluster\nb = cluster\nl = [1, 2, 3]",
        "etc/base.hocon": "a.base = 1\na.both = base\nb = base\nc = base",
    }
    assert laid(files, A__BOTH="env", D="{x = 1}") == {
        "a": {"base": 1, "cluster": 1, "emqx": 1, "both": "env"},
        "b": "cluster",
        "c": "base",
        "d": {"x": 1},
        "l": [1],
    }


def test_overrides_of_5_0_come_over_variables_and_the_later_files_are_not_read() -> None:
    files = {
        "local-override.conf": "c = local",
        "cluster-override.conf": "b = cluster\nc = cluster",
        "cluster.hocon": "e = 5",
        "emqx.conf": "a = emqx\nb = emqx\nc = emqx",
    }
    assert laid(files, A="env", B="env") == {"a": "env", "b": "cluster", "c": "local"}


def test_a_variable_replaces_what_stands_at_its_path_and_a_number_is_an_item() -> None:
    files = {"emqx.conf": "l = [{a = 1, b = 1}, {a = 2}]\no {x = 1, y = 2}"}
    assert laid(files, L__1__A="9", L__3="{a = 3}", O="{z = 3}", NEW__1__K="off") == {
        "l": [{"a": 9, "b": 1}, {"a": 2}, {"a": 3}],
        "o": {"z": 3},
        "new": [{"k": "off"}],
    }


def test_the_values_of_one_node_hide_nothing_of_another() -> None:
    files = [
        hocon.parse("cluster.hocon", "a = 1\nb = 1"),
        hocon.parse("n1/emqx.conf", "a = 2"),
        hocon.parse("n2/emqx.conf", "b = 3"),
    ]
    assert [whole.tree for whole in in_effect(files, [])] == [{"a": 2, "b": 1}, {"a": 1, "b": 3}]


def test_a_hit_is_where_the_value_stands_that_counts() -> None:
    facts = Facts(replace(PLAN, edition_to="ce"))
    facts = add(facts, "etc/emqx.conf", b"\nnode.role = replicant\n")
    facts = add(facts, "cluster.hocon", b"node.role = core\ndurable_sessions.enable = true\n")
    facts = add(facts, "x.env", b"EMQX_DURABLE_SESSIONS__ENABLE=false\nEMQX_PLUGINS__STATES__1__NAME_VSN=a-1\n")
    places = {
        one.rule.id: [(place.file, place.line, place.item) for place in one.finding.places]
        for one in check(facts).verdicts
        if isinstance(one.finding, Hit)
    }
    assert "58-03" not in places
    assert ("etc/emqx.conf", 2, "node.role") in places["58-05"]
    assert places["59-06"] == [("x.env", 2, "plugins.states.0")]


def test_a_file_that_cannot_lie_over_the_others_is_refused() -> None:
    facts = add(Facts(BELOW_5_1), "cluster-override.conf", b'l {"5" = 1}')
    facts = add(facts, "emqx.conf", b"l = [1]")
    with pytest.raises(BadSource, match="an item 5 of a list that has 1"):
        _ = facts.in_effect


class TestIncludes:
    def test_a_file_that_is_given_is_read_where_it_is_included(self) -> None:
        facts = load(BELOW_5_1, (INCLUDING / "emqx.conf", INCLUDING / "logins.conf"))
        (whole,) = facts.in_effect
        assert whole.tree["authentication"] == [{"mechanism": "password_based", "backend": "built_in_database"}]
        assert whole.spot("authentication.0.backend") == (str(INCLUDING / "logins.conf"), 1)

    def test_the_stock_file_of_enterprise_asks_for_the_one_file(self, tmp_path: Path) -> None:
        stock = INCLUDING / "stock-ee-50.conf"
        with pytest.raises(
            BadSource,
            match=r"line 4: an include of emqx-enterprise\.conf, which was not given.*give it|emqx-enterprise\.conf too",
        ):
            load(BELOW_5_1, (stock,))
        (tmp_path / "emqx-enterprise.conf").write_text("license.key = x\n")
        (whole,) = load(BELOW_5_1, (stock, tmp_path / "emqx-enterprise.conf")).in_effect
        assert whole.tree["license"] == {"key": "x"}

    def test_a_file_in_a_directory_is_given_whatever_it_is_called(self, tmp_path: Path) -> None:
        (tmp_path / "emqx.conf").write_text('a = 1\ninclude "more/extra"\n')
        (tmp_path / "more").mkdir()
        (tmp_path / "more" / "extra").write_text("a = 2\n")
        assert load(BELOW_5_1, (tmp_path,)).in_effect[0].tree == {"a": 2}

    @pytest.mark.parametrize("line", ["include missing.conf", 'include "more/missing"', 'a { include "missing.conf" }'])
    def test_what_does_not_lie_in_the_directory_is_passed_over_as_emqx_does_and_said(
        self, tmp_path: Path, line: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "emqx.conf").write_text(f"a.b = 1\n{line}\n")
        facts = load(BELOW_5_1, (tmp_path,))
        assert facts.in_effect[0].tree == {"a": {"b": 1}}
        (said,) = facts.not_read
        assert f"{tmp_path}/emqx.conf, line 2 includes m" in said
        main(["check", str(tmp_path), "--from", "5.6.1", "--to", "5.10.4", "--edition", "ee"])
        assert f"Not given: {said}" in capsys.readouterr().out

    @pytest.mark.parametrize("line", ['include required("missing.conf")', 'include "/etc/other/missing.conf"'])
    def test_what_must_be_there_or_may_lie_elsewhere_is_asked_for(self, tmp_path: Path, line: str) -> None:
        (tmp_path / "emqx.conf").write_text(f"a.b = 1\n{line}\n")
        with pytest.raises(BadSource, match="missing\\.conf, which was not given"):
            load(BELOW_5_1, (tmp_path,))

    def test_of_two_files_that_it_could_be_none_is_taken(self, tmp_path: Path) -> None:
        for name in ("x", "y"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "more.conf").write_text("a = 2\n")
        (tmp_path / "emqx.conf").write_text('include "/opt/emqx/etc/more.conf"\n')
        with pytest.raises(BadSource, match=r"could be .*x/more\.conf or .*y/more\.conf"):
            load(BELOW_5_1, (tmp_path,))

    def test_a_file_that_was_not_given_is_never_opened(self, tmp_path: Path) -> None:
        (tmp_path / "secret.conf").write_text("password = s3cr3t\n")
        (tmp_path / "given").mkdir()
        main = tmp_path / "given" / "emqx.conf"
        main.write_text(f'include "{tmp_path}/secret.conf"\n')
        with pytest.raises(BadSource, match="which was not given") as refused:
            load(BELOW_5_1, (main,))
        assert "s3cr3t" not in str(refused.value)


SETTINGS: dict[str, Any] = {
    "durable_sessions.enable": st.sampled_from([True, False]),
    "node.role": st.sampled_from(["core", "replicant"]),
    "cluster.discovery_strategy": st.sampled_from(["mcast", "static"]),
    "listeners.tcp.default.max_conn_rate": st.sampled_from(["500/s", "infinity"]),
    "dashboard.sso.oidc.issuer": st.sampled_from(["auth.example", "https://auth.example"]),
    "plugins.states": st.just([{"name_vsn": "mine-1.0.0", "enable": True}]),
    "limiter.messages.rate": st.just("1000/s"),
    "force_shutdown.max_heap_size": st.sampled_from(["200GB", "32MB"]),
}


@given(st.fixed_dictionaries({}, optional=SETTINGS))
def test_the_same_settings_give_the_same_hits_as_file_as_variables_and_as_both(settings: dict[str, Any]) -> None:
    flat = "".join(f"{path} = {dumps({'v': value}).removeprefix('v = ')}" for path, value in settings.items())
    lines = [
        f"EMQX_{path.upper().replace('.', '__')}={dumps({'v': value}).removeprefix('v = ').strip()}\n".replace('"', "")
        if not isinstance(value, list)
        else "EMQX_PLUGINS__STATES__1__NAME_VSN=mine-1.0.0\nEMQX_PLUGINS__STATES__1__ENABLE=true\n"
        for path, value in settings.items()
    ]
    base = add(Facts(PLAN), "cluster.hocon", b"authorization.no_match = deny\n")
    by_file = hits(add(base, "emqx.conf", flat.encode()))
    variables = "".join(lines) or "# none\n"
    assert hits(add(base, "x.env", variables.encode())) == by_file
    assert hits(add(add(base, "emqx.conf", flat.encode()), "x.env", variables.encode())) == by_file


class TestSubstitutions:
    """EMQX reads base.hocon, cluster.hocon and emqx.conf as one text, each override file by itself."""

    @pytest.mark.parametrize("names", [("cluster.hocon", "emqx.conf"), ("base.hocon", "cluster.hocon")])
    @pytest.mark.parametrize("turned", [False, True])
    def test_what_another_file_defines_is_put_in(self, tmp_path: Path, names: tuple[str, str], turned: bool) -> None:
        first, second = reversed(names) if turned else names
        (tmp_path / first).write_text('site = "plant 7"\nb = { x = 1 }\n')
        (tmp_path / second).write_text('a.b = ${site}"/in"\nb = ${b} { y = 2 }\nc = ${?nowhere}\n')
        (whole,) = load(BELOW_5_1, (tmp_path / first, tmp_path / second)).in_effect
        assert whole.tree["a"] == {"b": "plant 7/in"}
        assert whole.tree["b"]["y"] == 2
        assert "c" not in whole.tree

    def test_the_later_file_counts_in_what_the_earlier_one_names(self, tmp_path: Path) -> None:
        (tmp_path / "cluster.hocon").write_text("x = 1\na = ${x}\n")
        (tmp_path / "emqx.conf").write_text("x = 2\n")
        assert load(BELOW_5_1, (tmp_path,)).in_effect[0].tree == {"x": 2, "a": 2}

    def test_what_no_given_file_defines_is_refused_with_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "cluster.hocon").write_text("x = 1\n")
        (tmp_path / "emqx.conf").write_text("\na = ${y}\n")
        with pytest.raises(BadSource, match=r"emqx\.conf, line 2: .*stands nowhere"):
            load(BELOW_5_1, (tmp_path,))

    def test_an_override_file_is_read_by_itself(self, tmp_path: Path) -> None:
        (tmp_path / "emqx.conf").write_text("x = 1\n")
        (tmp_path / "cluster-override.conf").write_text("a = ${x}\n")
        with pytest.raises(BadSource, match=r"cluster-override\.conf, line 1: .*stands nowhere"):
            load(BELOW_5_1, (tmp_path,))
