"""A colour on AWS as it is declared anew: what would stop or replace instances with their clients is refused, what takes effect at a boot is not."""

from __future__ import annotations

from typing import Any

import pytest

from components.emqx.errors import Refused
from components.resources.aws_declared import AwsDeclaredInputs, AwsDeclaredProvider

pytestmark = pytest.mark.unit
BEFORE: dict[str, Any] = {
    "region": "eu-central-1",
    "prefix": "emqx-prod",
    "colour": "blue",
    "version": "5.8.6",
    "edition": "ee",
    "nodes": 3,
    "proxyProtocol": True,
    "idle": False,
    "inPlace": False,
    "madeWith": {"instance_type": "m7i.large", "subnets": ["subnet-1", "subnet-2"], "image": "/aws/newest"},
}


def refuse(**changes: Any) -> None:
    inputs = AwsDeclaredInputs.model_validate({**BEFORE, **changes})
    olds = AwsDeclaredInputs.model_validate(BEFORE).model_dump(mode="json")
    AwsDeclaredProvider().refuse(inputs, olds)


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"version": "5.8.9"}, r"its version would change from 5\.8\.6 to 5\.8\.9 in place"),
        ({"edition": "ce"}, "its edition would change"),
        ({"region": "eu-west-1", "inPlace": True}, "its region would change"),
        ({"prefix": "emqx-dev"}, "its prefix would change"),
        ({"proxyProtocol": False}, "its proxy_protocol would change"),
        (
            {"madeWith": {**BEFORE["madeWith"], "instance_type": "m7i.xlarge"}, "inPlace": True},
            r"its instance_type would change from m7i\.large to m7i\.xlarge in place",
        ),
        ({"madeWith": {**BEFORE["madeWith"], "subnets": ["subnet-2", "subnet-1"]}}, "its subnets would change"),
        ({"madeWith": {**BEFORE["madeWith"], "image": "ami-12345678"}}, "its image would change"),
    ],
)
def test_what_would_take_clients_away_is_refused_with_what_would_change(changes: dict[str, Any], seen: str) -> None:
    with pytest.raises(Refused, match=seen):
        refuse(**changes)


@pytest.mark.parametrize(
    "changes",
    [{}, {"version": "5.8.9", "inPlace": True}, {"edition": "ce", "inPlace": True}, {"nodes": 5}, {"idle": True}],
)
def test_what_takes_effect_at_a_boot_or_makes_more_nodes_is_declared(changes: dict[str, Any]) -> None:
    refuse(**changes)


def test_a_first_declaration_has_nothing_to_compare_with() -> None:
    AwsDeclaredProvider().refuse(AwsDeclaredInputs.model_validate(BEFORE), {})
