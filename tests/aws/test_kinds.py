"""The types that the plugin serves, against the SDK whose names they have, and a type that it does not serve."""

from __future__ import annotations

import importlib
import re
from typing import Any

import grpc  # type: ignore[import-untyped]  # no stubs
import pytest
from pulumi._types import input_type_py_to_pulumi_names
from pulumi.runtime.proto import provider_pb2, status_pb2

from lab.aws.plugin.kind import PLAIN, Aws, Kind, Props
from lab.aws.plugin.kinds import KINDS
from lab.aws.plugin.served import Provider, plain, struct

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
    def __init__(self) -> None:
        self.metadata: tuple[tuple[str, bytes], ...] = ()

    def set_trailing_metadata(self, metadata: tuple[tuple[str, bytes], ...]) -> None:
        self.metadata = metadata

    def abort(self, code: Any, details: str) -> None:
        raise Refused(f"{code.name}: {details}")


def test_a_type_that_is_not_served_is_refused_with_those_that_are() -> None:
    request = provider_pb2.CheckRequest(urn="urn:pulumi:lab::emqx::aws:ec2/eip:Eip::mine")
    with pytest.raises(Refused, match=r"UNIMPLEMENTED: aws:ec2/eip:Eip is not served .* aws:ec2/instance:Instance"):
        Provider(KINDS).Check(request, Context())
    assert grpc.StatusCode.UNIMPLEMENTED.name == "UNIMPLEMENTED"


class Slow(Kind):
    """Is made, and finished the second time only."""

    token = "aws:test/slow:Slow"
    regional = False
    inputs = {"name": PLAIN}  # noqa: RUF012 - as its siblings
    outputs = ("arn",)
    tries = 0

    def create(self, aws: Aws, given: Props) -> str:
        return "slow-1"

    def finish(self, aws: Aws, id_: str, given: Props) -> None:
        self.tries += 1
        if self.tries == 1:
            raise TimeoutError("timeout while waiting for it")

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        return {"name": "mine", "arn": "arn:of:it"}

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        raise NotImplementedError


def test_what_was_made_and_not_finished_is_in_the_state_and_is_finished_by_the_next_update() -> None:
    provider, context, urn = Provider({Slow.token: Slow()}), Context(), f"urn:pulumi:lab::emqx::{Slow.token}::mine"
    with pytest.raises(Refused, match="creating aws:test/slow:Slow slow-1: timeout while waiting"):
        provider.Create(provider_pb2.CreateRequest(urn=urn, properties=struct({"name": "mine"})), context)
    status = status_pb2.Status.FromString(dict(context.metadata)["grpc-status-details-bin"])
    half = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(half)
    assert (half.id, plain(half.properties)) == ("slow-1", {"name": "mine"})
    bags = {"olds": half.properties, "news": half.properties, "old_inputs": half.properties}
    updated = provider.Update(provider_pb2.UpdateRequest(urn=urn, id=half.id, **bags), context)
    assert plain(updated.properties) == {"name": "mine", "arn": "arn:of:it"}
