"""What the target on Kubernetes declares passes every policy, and what a team overrides in it is judged."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE

from tests.lab.kubernetes_bed import FakeKubernetes
from tests.policy.asking import ask, ask_all, ask_stack, tokens
from tests.program.conftest import SECRET, Recorder
from tests.program.declaring import declare
from tests.program.test_kubernetes import configure, world
from tests.program.test_kubernetes_others import behind_a_service

pytestmark = [pytest.mark.program, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
__all__ = ["world"]


def plain(value: Any) -> Any:
    """Inputs as an analyzer gets them: secrets are opened, what is not known yet is unknown."""
    if isinstance(value, dict):
        return plain(value["value"]) if SECRET in value else {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return UNKNOWN_STRING_VALUE if isinstance(value, pulumi.Output) else value


def resources(recorder: Recorder) -> list[tuple[str, dict[str, Any]]]:
    return [(one.type, plain(one.inputs)) for one in recorder.seen if one.type.startswith("kubernetes:")]


def test_what_is_declared_passes_every_policy(recorder: Recorder, world: FakeKubernetes) -> None:
    configure("green", "blue", "green")
    declare()
    declared = resources(recorder)
    assert {token for token, _ in declared} >= {tokens.STATEFUL_SET, tokens.DEPLOYMENT, tokens.SERVICE, tokens.SECRET}
    assert [said for token, inputs in declared for said in ask_all(token, inputs)] == []
    for name in ("kubernetes-disruption-budget", "kubernetes-network-policy"):
        assert ask_stack(name, declared) == []


def test_what_is_declared_without_a_proxy_passes_every_policy(recorder: Recorder, world: FakeKubernetes) -> None:
    behind_a_service("blue", "green")
    declare()
    declared = resources(recorder)
    assert sum(token == tokens.SERVICE for token, _ in declared) == 5, "two of each colour, and the entrance"
    assert [said for token, inputs in declared for said in ask_all(token, inputs)] == []


def test_what_a_team_overrides_is_judged(recorder: Recorder, world: FakeKubernetes) -> None:
    override = {"spec": {"securityContext": {"runAsNonRoot": False, "runAsUser": 0}}}
    configure("blue", "blue", podTemplate=override, networkPolicy=False)
    declare()
    (stateful,) = [inputs for token, inputs in resources(recorder) if token == tokens.STATEFUL_SET]
    assert any("may run as root" in said for said in ask("kubernetes-restricted", tokens.STATEFUL_SET, stateful))
    assert any("no NetworkPolicy" in said for said in ask_stack("kubernetes-network-policy", resources(recorder)))
