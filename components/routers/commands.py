"""Programs that are run in instances by Systems Manager, as `AWS-RunShellScript`: sent, waited for, and what they printed.

The rule: every wait is bounded, at AWS too: what is given up here is cancelled there. No secret is in a command, since AWS keeps it for a month.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from components.aws.clients import client
from components.emqx.aws_told import code_of, told
from components.emqx.errors import Refused, Unreachable

if TYPE_CHECKING:
    from mypy_boto3_ssm.type_defs import GetCommandInvocationResultTypeDef

DOCUMENT = "AWS-RunShellScript"
FIRST_SECONDS, POLL_SECONDS = 0.4, 0.7
"""An agent that is idle has a command within a second; who asks AWS more often is throttled."""
DELIVERY_SECONDS = 30
"""For how long AWS tries to hand a command over; the least that it takes."""
MOST_OUTPUT = 24_000
"""Characters that AWS tells of what a command printed."""
NOT_THERE, NOT_YET = "InvalidInstanceId", "InvocationDoesNotExist"
RUNS = frozenset({"Pending", "InProgress", "Delayed", "Cancelling"})


async def run(region: str, instance: str, lines: Sequence[str], tried: str, seconds: float) -> str:
    """What a script printed on its standard output, at most ``MOST_OUTPUT`` characters of it.

    Args:
        region: of the instance.
        instance: its id.
        lines: of the script, for ``/bin/sh``.
        tried: what is done, for errors.
        seconds: how long it may take from now on.

    Raises:
        Unreachable: no agent takes it, or it has not ended in time.
        Refused: it failed; with the last line that it said.
        NotNow, Unauthorized: AWS.

    """
    end, api = time.monotonic() + seconds, client(region, "ssm")
    try:
        with told(tried, instance):
            sent = await asyncio.to_thread(_send, region, instance, lines, seconds)
    except Refused as refusal:
        if NOT_THERE in refusal.seen:
            raise _away(tried, instance, f"its agent is not connected to Systems Manager: {refusal.seen}") from None
        raise
    wait = FIRST_SECONDS
    while True:
        await asyncio.sleep(wait)
        wait = POLL_SECONDS
        with told(tried, instance):
            seen = await asyncio.to_thread(_seen, region, instance, sent)
        state = "Pending" if seen is None else seen["Status"]
        if seen is not None and state == "Success":
            return seen.get("StandardOutputContent", "")
        if seen is not None and state == "Failed":
            todo = "look at this instance (aws ssm start-session), then run pulumi up again"
            raise Refused(tried, node=instance, seen=_last(seen), todo=todo)
        if state not in RUNS:
            raise _away(tried, instance, f"the command is {state}")
        if time.monotonic() > end:
            with suppress(ClientError, BotoCoreError):
                await asyncio.to_thread(api.cancel_command, CommandId=sent, InstanceIds=[instance])
            raise _away(tried, instance, f"the command is {state} after {seconds:g} s")


def _send(region: str, instance: str, lines: Sequence[str], seconds: float) -> str:
    answer = client(region, "ssm").send_command(
        DocumentName=DOCUMENT,
        InstanceIds=[instance],
        TimeoutSeconds=DELIVERY_SECONDS,
        Parameters={"commands": list(lines), "executionTimeout": [str(max(1, round(seconds)))]},
        Comment="emqx-upgrade",
    )
    return answer["Command"]["CommandId"]


def _seen(region: str, instance: str, sent: str) -> GetCommandInvocationResultTypeDef | None:
    """As AWS tells it; None where it does not know of it yet."""
    try:
        return client(region, "ssm").get_command_invocation(CommandId=sent, InstanceId=instance)
    except ClientError as failure:
        if code_of(failure) == NOT_YET:
            return None
        raise


def _last(seen: GetCommandInvocationResultTypeDef) -> str:
    said = f"{seen.get('StandardOutputContent', '')}\n{seen.get('StandardErrorContent', '')}".strip().splitlines()
    return f"exit status {seen.get('ResponseCode')}: {said[-1][:300] if said else 'it said nothing'}"


def _away(tried: str, instance: str, seen: str) -> Unreachable:
    todo = "see that the instance runs, reaches AWS's API (ssm, ssmmessages, ec2messages), and that amazon-ssm-agent runs in it"
    return Unreachable(tried, node=instance, seen=seen, todo=todo)
