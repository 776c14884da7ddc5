"""The types that the plugin serves, against the SDK whose names they have, and a type that it does not serve."""

from __future__ import annotations

import importlib
import re
from typing import Any

import grpc  # type: ignore[import-untyped]  # no stubs
import pytest
from pulumi._types import input_type_py_to_pulumi_names
from pulumi.runtime.proto import provider_pb2

from lab.aws.plugin.kind import Kind
from lab.aws.plugin.kinds import KINDS
from lab.aws.plugin.served import Provider

pytestmark = pytest.mark.aws


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: str(kind.token))
def test_every_property_is_one_of_the_official_plugin(kind: Kind) -> None:
    _, place, name = kind.token.split(":")
    package, _, leaf = place.partition("/")
    leaf = re.sub("([A-Z])", r"_\1", leaf).lower()
    home = importlib.import_module(f"pulumi_aws.{package}.{leaf}")
    theirs = getattr(home, name)
    inputs = set(input_type_py_to_pulumi_names(getattr(home, f"{name}Args")).values())
    told = set(input_type_py_to_pulumi_names(getattr(home, f"_{name}State")).values())
    assert theirs.pulumi_type == kind.token
    assert kind.known.keys() <= inputs
    assert kind.told <= told


class Refused(Exception):  # noqa: N818 - what gRPC calls it
    pass


class Context:
    def abort(self, code: Any, details: str) -> None:
        raise Refused(f"{code.name}: {details}")


def test_a_type_that_is_not_served_is_refused_with_those_that_are() -> None:
    request = provider_pb2.CheckRequest(urn="urn:pulumi:lab::emqx::aws:ec2/eip:Eip::mine")
    with pytest.raises(Refused, match=r"UNIMPLEMENTED: aws:ec2/eip:Eip is not served .* aws:ec2/instance:Instance"):
        Provider(KINDS).Check(request, Context())
    assert grpc.StatusCode.UNIMPLEMENTED.name == "UNIMPLEMENTED"
