"""The instance profile of instances of ours: a role with one policy, which names what they read."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi_aws.iam.instance_profile import InstanceProfile
from pulumi_aws.iam.role import Role
from pulumi_aws.iam.role_policy import RolePolicy

from components.machines.rights import TRUST


def profile_of(
    name: str, own: str, policy: str, boundary: str | None, tags: Mapping[str, str], opts: pulumi.ResourceOptions
) -> InstanceProfile:
    """It is there when its policy is.

    Args:
        name: where Pulumi's names begin.
        own: what role and profile are called; IAM knows no regions, so it has one in it.
        policy: the document.
        boundary: of the role's permissions.
        tags: of role and profile.
        opts: of all of it.

    """
    role = Role(
        f"{name}-role",
        name=own,
        assume_role_policy=TRUST,
        permissions_boundary=boundary,
        tags=dict(tags),
        opts=opts,
    )
    rights = RolePolicy(f"{name}-rights", name="parameters", role=role.name, policy=policy, opts=opts)
    waits = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[rights]))
    return InstanceProfile(f"{name}-profile", name=own, role=role.name, tags=dict(tags), opts=waits)
