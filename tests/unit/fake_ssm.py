"""Systems Manager in memory: commands of instances, each answered as the test says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError

from components.routers import commands


def refused(operation: str, code: str) -> ClientError:
    """An answer of AWS's."""
    return ClientError({"Error": {"Code": code, "Message": "played"}}, operation)


class FakeSsm:
    """``answers`` says what a command of an instance comes to: (exit status, printed); None never ends. ``gone`` have no agent, ``unknown`` is how often AWS does not know a command yet."""

    def __init__(self, answers: Callable[[str, Sequence[str]], tuple[int, str] | None]) -> None:
        self.answers = answers
        self.gone: set[str] = set()
        self.unknown = 0
        self.throttled = 0
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.cancelled: list[str] = []

    def send_command(self, *, InstanceIds: list[str], **asked: Any) -> dict[str, Any]:  # noqa: N803 - AWS's names
        if self.throttled:
            self.throttled -= 1
            raise refused("SendCommand", "ThrottlingException")
        if InstanceIds[0] in self.gone:
            raise refused("SendCommand", "InvalidInstanceId")
        self.sent.append((InstanceIds[0], asked))
        return {"Command": {"CommandId": str(len(self.sent) - 1)}}

    def get_command_invocation(self, *, CommandId: str, InstanceId: str) -> dict[str, Any]:  # noqa: N803
        if self.unknown:
            self.unknown -= 1
            raise refused("GetCommandInvocation", "InvocationDoesNotExist")
        instance, asked = self.sent[int(CommandId)]
        assert instance == InstanceId
        answer = self.answers(instance, asked["Parameters"]["commands"])
        if answer is None:
            return {"Status": "InProgress"}
        code, said = answer
        told = {"StandardOutputContent": "" if code else said, "StandardErrorContent": said if code else ""}
        return {"Status": "Failed" if code else "Success", "ResponseCode": code, **told}

    def cancel_command(self, *, CommandId: str, **_: Any) -> None:  # noqa: N803
        self.cancelled.append(CommandId)

    def replace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Be what commands are sent to."""
        monkeypatch.setattr(commands, "client", lambda _region, _service: self)
