"""The credentials that a stack needs before anything is asked or made: each declared colour has some, and they fit its target.

The rule: a refusal says where and how to set them, never a value.
"""

from __future__ import annotations

from collections.abc import Mapping

from components.emqx.errors import BadInput
from components.emqx.models import Credentials, missing_credentials
from components.intent import target_of
from components.settings import Settings


def refuse_credentials(settings: Settings, credentials: Mapping[str, Credentials]) -> None:
    """Every declared colour has some, and a local cluster can be made with them: its bootstrap file is ``key:secret`` lines."""
    for colour, cluster in sorted(settings.clusters.items()):
        if colour not in credentials:
            raise missing_credentials(colour)
        unfit = target_of(settings, colour).credentials_problem(credentials[colour])
        if unfit is not None:
            raise BadInput(
                f"emqx:credentials.{colour}",
                seen=unfit,
                todo=f"give a {cluster.target} cluster a key and a secret without: they are written into its bootstrap file",
            )
