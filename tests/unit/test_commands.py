"""Programs run by Systems Manager: what comes back, what is given up, and what is an instance that is gone."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from components.emqx.errors import NotNow, Refused, Unreachable
from components.routers import commands
from tests.unit.fake_ssm import FakeSsm

pytestmark = pytest.mark.unit
HERE = "i-0a"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that passes by sleeping only."""
    now = [0.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(commands, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(commands, "asyncio", SimpleNamespace(sleep=sleep, to_thread=asyncio.to_thread))
    return now


def run(seconds: float = 20) -> str:
    return asyncio.run(commands.run("eu-central-1", HERE, ["true"], "asking", seconds))


def test_what_it_printed_comes_back_and_the_time_is_bounded_at_aws_too(monkeypatch: pytest.MonkeyPatch) -> None:
    ssm = FakeSsm(lambda *_: (0, "said\n"))
    ssm.replace(monkeypatch)
    assert run(20) == "said\n"
    ((instance, asked),) = ssm.sent
    assert (instance, asked["DocumentName"]) == (HERE, "AWS-RunShellScript")
    assert asked["Parameters"] == {"commands": ["true"], "executionTimeout": ["20"]}


def test_a_command_that_aws_does_not_know_yet_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ssm = FakeSsm(lambda *_: (0, "said"))
    ssm.unknown = 3
    ssm.replace(monkeypatch)
    assert run() == "said"


def test_a_command_that_never_ends_is_cancelled_and_given_up_in_time(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    ssm = FakeSsm(lambda *_: None)
    ssm.replace(monkeypatch)
    with pytest.raises(Unreachable, match="the command is InProgress after 20 s"):
        run(20)
    assert ssm.cancelled == ["0"]
    assert clock[0] <= 20 + 2 * commands.POLL_SECONDS


def test_a_command_that_fails_says_its_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeSsm(lambda *_: (5, "one\nUnit haproxy.service not found")).replace(monkeypatch)
    with pytest.raises(Refused, match=r"on i-0a: exit status 5: Unit haproxy.service not found"):
        run()


def test_an_instance_without_an_agent_is_unreachable_and_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    ssm = FakeSsm(lambda *_: (0, ""))
    ssm.gone = {HERE}
    ssm.replace(monkeypatch)
    with pytest.raises(
        Unreachable,
        match=r"its agent is not connected to Systems Manager: SendCommand: InvalidInstanceId.*amazon-ssm-agent",
    ):
        run()


def test_who_is_throttled_for_longer_than_the_retries_last_may_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ssm = FakeSsm(lambda *_: (0, ""))
    ssm.throttled = 1
    ssm.replace(monkeypatch)
    with pytest.raises(NotNow, match="ThrottlingException"):
        run()
