"""What a resource type is to the plugin: its properties, and what is done to one of them in AWS.

The rule: names, defaults and what replaces are those of pulumi_aws 7.51's own documents; a property that is not listed is refused, not ignored.
"""

from __future__ import annotations

import functools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

Props = dict[str, Any]
T = TypeVar("T")
TRIES, WAIT_SECONDS, POLL_SECONDS = 25, 240.0, 0.2
"""As often as the official plugin asks again when it is throttled, and how long anything is waited for."""


@dataclass(frozen=True)
class Property:
    """One input: ``computed`` is AWS's to choose where it is not given; ``unordered`` is a set; ``inside`` are the properties of an object, or of those of a list."""

    default: Any = None
    replace: bool = False
    computed: bool = False
    unordered: bool = False
    name: int = 0
    inside: Mapping[str, Property] = field(default_factory=dict)


PLAIN, FIXED = Property(), Property(replace=True)
"""One that is changed in place, and one that is not."""
CHOSEN, FIXED_CHOSEN = Property(computed=True), Property(computed=True, replace=True)
SET = Property(unordered=True)


def named(most: int) -> Property:
    """A name that cannot be changed, made of the resource's own where none is given, of so many characters."""
    return Property(replace=True, name=most)


class Aws:
    """The account, in one region."""

    def __init__(self, region: str | None) -> None:
        self.region = region or boto3.session.Session().region_name or "us-east-1"

    @functools.cache  # noqa: B019 - as many as there are services
    def client(self, service: str) -> Any:
        """A client, which asks again where AWS says so."""
        retries = Config(retries={"mode": "standard", "total_max_attempts": TRIES})
        return boto3.session.Session(region_name=self.region).client(service, config=retries)  # type: ignore[call-overload]

    @functools.cached_property
    def account(self) -> str:
        """Its number."""
        return str(self.client("sts").get_caller_identity()["Account"])

    def arn(self, service: str, rest: str) -> str:
        """A name in this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{rest}"


class Kind(ABC):
    """One resource type; it has no state."""

    token: ClassVar[str]
    inputs: ClassVar[Mapping[str, Property]]
    outputs: ClassVar[Collection[str]] = ()
    regional: ClassVar[bool] = True

    @abstractmethod
    def create(self, aws: Aws, given: Props) -> str:
        """Make it; its id."""

    def finish(self, aws: Aws, id_: str, given: Props) -> None:  # noqa: B027 - most have nothing to finish
        """What else is done before it is as declared, and the wait until it is; done again where it was cut off.  Nothing, for most."""

    @abstractmethod
    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """Its properties as AWS has them, None when it is not there (any more)."""

    def update(self, aws: Aws, id_: str, wanted: Props, before: Props, changed: Collection[str]) -> None:
        """Bring it to what is wanted; ``changed`` are the inputs that differ."""
        raise NotImplementedError(f"{self.token} has no property that can be changed in place: {sorted(changed)}")

    @abstractmethod
    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Take it away and wait until it is gone; nothing to do when it is gone already."""

    def outputs_known(self, there: Props) -> bool:
        """Whether it was finished once: what was cut off has its inputs only."""
        return not self.outputs or any(name in there for name in self.outputs)

    @property
    def tagged(self) -> bool:
        """Whether it has tags."""
        return "tags" in self.inputs

    @property
    def known(self) -> Mapping[str, Property]:
        """All its inputs."""
        return {**self.inputs, **({"region": FIXED_CHOSEN} if self.regional else {})}

    @property
    def told(self) -> set[str]:
        """All that a program may read of it."""
        return {*self.known, *self.outputs, *({"tagsAll"} if self.tagged else ())}


def code_of(error: ClientError) -> str:
    """AWS's word for what is wrong."""
    return str(error.response.get("Error", {}).get("Code", ""))


def found(ask: Callable[[], T], *gone: str) -> T | None:
    """The answer; None where AWS says by one of these words that there is no such thing."""
    try:
        return ask()
    except ClientError as error:
        if code_of(error) in gone:
            return None
        raise


def waited(look: Callable[[], T | None], what: str, seconds: float = WAIT_SECONDS) -> T:
    """Look until there is an answer.

    Raises:
        TimeoutError: there was none; says for what.

    """
    limit = time.monotonic() + seconds
    while (seen := look()) is None:
        if time.monotonic() > limit:
            raise TimeoutError(f"timeout while waiting for {what} ({seconds:.0f} s)")
        time.sleep(POLL_SECONDS)
    return seen


def again(act: Callable[[], T], *words: str) -> T:
    """Do it until AWS knows of what was made a moment ago, as the official plugin does; ``words`` are its answers until then."""
    refused: list[ClientError] = []

    def attempt() -> tuple[T] | None:
        try:
            return (act(),)
        except ClientError as error:
            if not any(word in f"{code_of(error)} {error}" for word in words):
                raise
            refused[:] = [error]
            return None

    try:
        return waited(attempt, ", ".join(words))[0]
    except TimeoutError:
        raise refused[0] from None


def pairs(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    """Tags as AWS takes them."""
    return [{"Key": key, "Value": value} for key, value in sorted((tags or {}).items())]


def tags_of(listed: Collection[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags as Pulumi has them."""
    return {one["Key"]: one["Value"] for one in listed or () if not one["Key"].startswith("aws:")}


def retagged(before: Mapping[str, str] | None, wanted: Mapping[str, str] | None) -> tuple[list[str], dict[str, str]]:
    """The tags that go, and those that are set."""
    old, new = before or {}, wanted or {}
    return sorted(old.keys() - new.keys()), {key: value for key, value in new.items() if old.get(key) != value}


def called(given: Mapping[str, Any], **names: str) -> Props:
    """The given properties among ``names`` by AWS's name for them."""
    return {theirs: given[ours] for ours, theirs in names.items() if given.get(ours) is not None}


def some(props: Mapping[str, Any]) -> Props:
    """Those that have a value."""
    return {name: value for name, value in props.items() if value is not None}


def pages(client: Any, operation: str, **asked: Any) -> Iterator[Any]:
    """The answers of an operation, page by page."""
    yield from client.get_paginator(operation).paginate(**asked)
