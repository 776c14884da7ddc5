"""What an API server of Kubernetes refuses, in the errors of this house."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from components.emqx.errors import NotNow, Refused, Unauthorized, Unreachable, UpgradeError
from components.kubernetes.api import ApiError


@contextmanager
def told(tried: str, node: str) -> Iterator[None]:
    """Whatever the block asks of the API server fails as one of ours.

    Raises:
        Unreachable: no answer.
        Unauthorized: 401 or 403; says which right is missing, as the API server does.
        NotNow: a conflict, too many requests, a server error.
        Refused: any other answer.

    """
    try:
        yield
    except ApiError as failure:
        raise _of(failure, tried, node) from None


def _of(failure: ApiError, tried: str, node: str) -> UpgradeError:
    seen, status = f"{failure.tried} in {failure.where}: {failure.seen}", failure.status
    if status is None:
        todo = "see that `kubectl get pods` works from here with the same KUBECONFIG, then run pulumi up again"
        return Unreachable(tried, node=node, seen=seen, todo=todo)
    if status in {401, 403}:
        return Unauthorized(tried, node=node, seen=seen, todo="give this account the rights of docs/kubernetes.md")
    if status in {409, 429} or status >= 500:
        return NotNow(tried, node=node, seen=seen, todo="run the update again")
    return Refused(tried, node=node, seen=seen, todo="see what is in the namespace, then run pulumi up again")
