"""What goes into a stack's file holds no secret in clear; what `pulumi` says at its end names what went wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.engine_run import Finished, diagnostics
from lab.workspace import Secret, environment, secrets_of, without_secrets

pytestmark = pytest.mark.unit

leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.builds(Secret, st.just("planted"))
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)


@given(values)
def test_what_is_written_in_clear_holds_no_secret(value: object) -> None:
    assert "planted" not in repr(without_secrets(value))


@given(values)
def test_every_secret_has_a_path_of_its_own(value: object) -> None:
    paths = [path for path, _ in secrets_of("emqx:credentials", value)]
    assert len(paths) == len(set(paths)) == repr(value).count("Secret(...)")


def test_a_value_without_secrets_is_written_as_it_is() -> None:
    value = {"blue": {"nodes": [{"name": "a", "weight": 1.5}], "on": True, "nothing": None}}
    assert without_secrets(value) == value


def test_a_path_names_keys_and_places() -> None:
    value = {"blue": {"keys": ["plain", Secret("x")]}}
    assert [path for path, _ in secrets_of("emqx:credentials", value)] == ['emqx:credentials["blue"]["keys"][1]']


OUTPUT = """Updating (lab):
     pulumi:pulumi:Stack emqx-lab creating

Diagnostics:
  pulumi:pulumi:Stack (emqx-lab):
    the plan

  Cutover (cutover):
    error: Refused: sessions

Outputs:
    plan: {}
"""


def test_the_diagnostics_are_what_is_told_of_a_failure() -> None:
    assert diagnostics(OUTPUT).split() == OUTPUT.partition("Diagnostics:")[2].partition("Outputs:")[0].split()
    with pytest.raises(RuntimeError, match=r"error: Refused: sessions$"):
        Finished(1, OUTPUT).good()
    assert Finished(0, OUTPUT).good().output == OUTPUT


def test_without_diagnostics_the_last_lines_are_told() -> None:
    with pytest.raises(RuntimeError, match=r"status 255:\nerror: no stack$"):
        Finished(255, "error: no stack").good()


def test_what_pulumi_is_started_with_holds_nothing_of_a_users_pulumi_or_a_ci(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN", "CI_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "planted")
    assert "planted" not in environment(tmp_path).values()
