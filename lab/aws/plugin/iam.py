"""IAM: roles, their policies, and instance profiles; policies are compared by what they say, not by how they are written."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from lab.aws.plugin.kind import (
    CHOSEN,
    FIXED,
    PLAIN,
    Aws,
    Kind,
    Property,
    Props,
    called,
    found,
    named,
    pairs,
    retagged,
    some,
    tags_of,
)

GONE = "NoSuchEntity"


class Role(Kind):
    """``aws.iam.Role``."""

    token = "aws:iam/role:Role"
    regional = False
    inputs = {
        "name": named(64),
        "path": Property(default="/", replace=True),
        "assumeRolePolicy": PLAIN,
        "description": PLAIN,
        "maxSessionDuration": Property(default=3600),
        "permissionsBoundary": PLAIN,
        "forceDetachPolicies": Property(default=False),
        "tags": PLAIN,
    }
    outputs = ("arn", "createDate", "uniqueId")

    def create(self, aws: Aws, given: Props) -> str:
        """Make it."""
        asked = called(
            given,
            name="RoleName",
            path="Path",
            assumeRolePolicy="AssumeRolePolicyDocument",
            description="Description",
            maxSessionDuration="MaxSessionDuration",
            permissionsBoundary="PermissionsBoundary",
        )
        if given.get("tags"):
            asked["Tags"] = pairs(given["tags"])
        return str(aws.client("iam").create_role(**asked)["Role"]["RoleName"])

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """As `get_role` has it."""
        answer = found(lambda: aws.client("iam").get_role(RoleName=id_), GONE)
        if answer is None:
            return None
        one = answer["Role"]
        return some(
            {
                "name": one["RoleName"],
                "path": one["Path"],
                "assumeRolePolicy": _same(one["AssumeRolePolicyDocument"], known.get("assumeRolePolicy")),
                "description": one.get("Description") or None,
                "maxSessionDuration": one.get("MaxSessionDuration"),
                "permissionsBoundary": one.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
                "arn": one["Arn"],
                "createDate": one["CreateDate"].isoformat(),
                "uniqueId": one["RoleId"],
                "tags": tags_of(one.get("Tags")),
            }
        )

    def update(self, aws: Aws, id_: str, wanted: Props, before: Props, changed: Collection[str]) -> None:
        """In place."""
        client = aws.client("iam")
        if "assumeRolePolicy" in changed:
            client.update_assume_role_policy(RoleName=id_, PolicyDocument=wanted["assumeRolePolicy"])
        if {"description", "maxSessionDuration"} & set(changed):
            client.update_role(
                RoleName=id_, **called(wanted, description="Description", maxSessionDuration="MaxSessionDuration")
            )
        if "permissionsBoundary" in changed:
            _bound(client, id_, wanted.get("permissionsBoundary"))
        if "tags" in changed:
            gone, new = retagged(before.get("tags"), wanted.get("tags"))
            if gone:
                client.untag_role(RoleName=id_, TagKeys=gone)
            if new:
                client.tag_role(RoleName=id_, Tags=pairs(new))

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Take it away, out of the profiles it is in."""
        client = aws.client("iam")
        listed = found(lambda: client.list_instance_profiles_for_role(RoleName=id_), GONE)
        for one in listed["InstanceProfiles"] if listed else ():
            client.remove_role_from_instance_profile(InstanceProfileName=one["InstanceProfileName"], RoleName=id_)
        found(lambda: client.delete_role(RoleName=id_), GONE)


class RolePolicy(Kind):
    """``aws.iam.RolePolicy``."""

    token = "aws:iam/rolePolicy:RolePolicy"
    regional = False
    inputs = {"name": named(128), "role": FIXED, "policy": PLAIN}

    def create(self, aws: Aws, given: Props) -> str:
        """Put it on its role."""
        self.update(aws, "", given, {}, ())
        return f"{given['role']}:{given['name']}"

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """As `get_role_policy` has it."""
        role, _, name = id_.partition(":")
        answer = found(lambda: aws.client("iam").get_role_policy(RoleName=role, PolicyName=name), GONE)
        return (
            {"role": role, "name": name, "policy": _same(answer["PolicyDocument"], known.get("policy"))}
            if answer
            else None
        )

    def update(self, aws: Aws, id_: str, wanted: Props, before: Props, changed: Collection[str]) -> None:
        """Another document in its place."""
        asked = called(wanted, role="RoleName", name="PolicyName", policy="PolicyDocument")
        aws.client("iam").put_role_policy(**asked)

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Take it off its role."""
        role, _, name = id_.partition(":")
        found(lambda: aws.client("iam").delete_role_policy(RoleName=role, PolicyName=name), GONE)


class RolePolicyAttachment(Kind):
    """``aws.iam.RolePolicyAttachment``."""

    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    regional = False
    inputs = {"role": FIXED, "policyArn": FIXED}

    def create(self, aws: Aws, given: Props) -> str:
        """Attach it."""
        aws.client("iam").attach_role_policy(RoleName=given["role"], PolicyArn=given["policyArn"])
        return f"{given['role']}/{given['policyArn']}"

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """It is there while it is attached."""
        role, _, arn = id_.partition("/")
        answer = found(lambda: aws.client("iam").list_attached_role_policies(RoleName=role), GONE)
        listed = answer["AttachedPolicies"] if answer else []
        return {"role": role, "policyArn": arn} if any(one["PolicyArn"] == arn for one in listed) else None

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Detach it."""
        role, _, arn = id_.partition("/")
        found(lambda: aws.client("iam").detach_role_policy(RoleName=role, PolicyArn=arn), GONE)


class InstanceProfile(Kind):
    """``aws.iam.InstanceProfile``."""

    token = "aws:iam/instanceProfile:InstanceProfile"
    regional = False
    inputs = {"name": named(128), "path": Property(default="/", replace=True), "role": CHOSEN, "tags": PLAIN}
    outputs = ("arn", "createDate", "uniqueId")

    def create(self, aws: Aws, given: Props) -> str:
        """Make it, with its role in it."""
        asked = called(given, name="InstanceProfileName", path="Path")
        if given.get("tags"):
            asked["Tags"] = pairs(given["tags"])
        client = aws.client("iam")
        name = str(client.create_instance_profile(**asked)["InstanceProfile"]["InstanceProfileName"])
        if given.get("role"):
            client.add_role_to_instance_profile(InstanceProfileName=name, RoleName=given["role"])
        return name

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """As `get_instance_profile` has it."""
        answer = found(lambda: aws.client("iam").get_instance_profile(InstanceProfileName=id_), GONE)
        if answer is None:
            return None
        one = answer["InstanceProfile"]
        roles = [role["RoleName"] for role in one["Roles"]]
        return some(
            {
                "name": one["InstanceProfileName"],
                "path": one["Path"],
                "role": roles[0] if roles else None,
                "arn": one["Arn"],
                "createDate": one["CreateDate"].isoformat(),
                "uniqueId": one["InstanceProfileId"],
                "tags": tags_of(one.get("Tags")),
            }
        )

    def update(self, aws: Aws, id_: str, wanted: Props, before: Props, changed: Collection[str]) -> None:
        """Another role, other tags."""
        client = aws.client("iam")
        if "role" in changed:
            if before.get("role"):
                found(
                    lambda: client.remove_role_from_instance_profile(InstanceProfileName=id_, RoleName=before["role"]),
                    GONE,
                )
            client.add_role_to_instance_profile(InstanceProfileName=id_, RoleName=wanted["role"])
        if "tags" in changed:
            gone, new = retagged(before.get("tags"), wanted.get("tags"))
            if gone:
                client.untag_instance_profile(InstanceProfileName=id_, TagKeys=gone)
            if new:
                client.tag_instance_profile(InstanceProfileName=id_, Tags=pairs(new))

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Take it away, without its role first."""
        client = aws.client("iam")
        if known.get("role"):
            found(
                lambda: client.remove_role_from_instance_profile(InstanceProfileName=id_, RoleName=known["role"]), GONE
            )
        found(lambda: client.delete_instance_profile(InstanceProfileName=id_), GONE)


def _same(seen: Any, declared: str | None) -> str:
    """The document as it was declared where it says the same."""
    if declared is not None and json.loads(declared) == seen:
        return declared
    return json.dumps(seen)


def _bound(client: Any, role: str, boundary: str | None) -> None:
    if boundary:
        client.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=boundary)
    else:
        client.delete_role_permissions_boundary(RoleName=role)
