"""What AWS refuses, in the errors of this house.

The rule: the message has AWS's own code and the call, never a credential; botocore has retried before anything comes here (``components.aws.clients``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, NoCredentialsError  # noqa: A004 - botocore's own

from components.emqx.errors import BadInput, NotNow, Refused, Unauthorized, Unreachable, UpgradeError

PASSING = ("Throttling", "TooManyRequests", "RequestLimitExceeded", "PriorRequestNotComplete", "OperationInProgress")
RIGHTS = ("AccessDenied", "UnauthorizedOperation", "ExpiredToken", "InvalidClientTokenId", "UnrecognizedClient")


@contextmanager
def told(tried: str, node: str) -> Iterator[None]:
    """Whatever the block asks of AWS fails as one of ours.

    Raises:
        Unreachable: no answer.
        Unauthorized: no credentials, or a right is missing; says which, as AWS does.
        NotNow: throttled for longer than the retries last, or a server error.
        Refused: any other answer.
        BadInput: the environment's configuration of AWS cannot be right.

    """
    try:
        yield
    except ClientError as failure:
        raise _of(failure, tried, node) from None
    except (ConnectionError, HTTPClientError) as failure:
        todo = "see that this machine reaches AWS, then run pulumi up again"
        raise Unreachable(tried, node=node, seen=str(failure)[:300], todo=todo) from None
    except NoCredentialsError as failure:
        raise Unauthorized(tried, node=node, seen=str(failure), todo="give AWS_PROFILE, a role, or keys") from None
    except BotoCoreError as failure:
        todo = "correct the environment that AWS's tools read (AWS_PROFILE, AWS_REGION, ~/.aws/config)"
        raise BadInput(tried, node=node, seen=str(failure)[:300], todo=todo) from None


def code_of(failure: ClientError) -> str:
    """AWS's own word: ``ListenerNotFound``."""
    return str(failure.response.get("Error", {}).get("Code", ""))


def _of(failure: ClientError, tried: str, node: str) -> UpgradeError:
    code, status = code_of(failure), failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    seen = f"{failure.operation_name}: {code}: {failure.response.get('Error', {}).get('Message', '')}"[:500]
    if code.startswith(RIGHTS) or status in {401, 403}:
        return Unauthorized(tried, node=node, seen=seen, todo="give these credentials the right to make this call")
    if code.startswith(PASSING) or status >= 500 or status == 429:
        return NotNow(tried, node=node, seen=seen, todo="run the update again")
    return Refused(tried, node=node, seen=seen, todo="see what is in this account and region, then run pulumi up again")
