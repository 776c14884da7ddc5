"""Where things are on AWS, as plain values that may stand in Pulumi's state: never a credential, never an endpoint.

The rule: who may ask, and where, is the environment's (``AWS_PROFILE``, a role, ``AWS_ENDPOINT_URL``), as for every other tool of AWS.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from components.value import Value


class AwsPlace(Value):
    """A region (``eu-central-1``); ``group`` is the security group of the nodes, or of the balancer, ``instances`` are the nodes' by name."""

    region: str = Field(min_length=1, max_length=40, pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    group: str = ""
    instances: Mapping[str, str] = {}
