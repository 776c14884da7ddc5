"""SSM: parameters; one that is there already is never written over, unless that is declared."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from lab.aws.plugin.kind import CHOSEN, PLAIN, Aws, Kind, Props, called, found, named, pairs, retagged, some, tags_of

NO_PARAMETER = "ParameterNotFound"


class Parameter(Kind):
    """``aws.ssm.Parameter``."""

    token = "aws:ssm/parameter:Parameter"
    inputs = {
        "name": named(2048),
        "type": PLAIN,
        "value": CHOSEN,
        "insecureValue": CHOSEN,
        "description": PLAIN,
        "keyId": CHOSEN,
        "tier": CHOSEN,
        "dataType": CHOSEN,
        "allowedPattern": PLAIN,
        "overwrite": PLAIN,
        "tags": PLAIN,
    }
    outputs = ("arn", "version")

    def create(self, aws: Aws, given: Props) -> str:
        """Put it; one that is there already is refused, unless it may be overwritten."""
        client = aws.client("ssm")
        client.put_parameter(**_put(given), Overwrite=bool(given.get("overwrite")))
        if given.get("tags"):
            client.add_tags_to_resource(ResourceType="Parameter", ResourceId=given["name"], Tags=pairs(given["tags"]))
        return str(given["name"])

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """As `get_parameter` has it."""
        client = aws.client("ssm")
        answer = found(lambda: client.get_parameter(Name=id_, WithDecryption=True), NO_PARAMETER)
        if answer is None:
            return None
        one = answer["Parameter"]
        tags = client.list_tags_for_resource(ResourceType="Parameter", ResourceId=id_)["TagList"]
        seen = {
            "name": id_,
            "type": one["Type"],
            "arn": one["ARN"],
            "version": one["Version"],
            "dataType": one.get("DataType"),
        }
        seen["insecureValue" if "insecureValue" in known else "value"] = one["Value"]
        return some({**seen, "tags": tags_of(tags)})

    def update(self, aws: Aws, id_: str, wanted: Props, before: Props, changed: Collection[str]) -> None:
        """Another version of it."""
        client = aws.client("ssm")
        if set(changed) - {"tags", "overwrite"}:
            client.put_parameter(**_put(wanted), Overwrite=True)
        if "tags" in changed:
            gone, new = retagged(before.get("tags"), wanted.get("tags"))
            if gone:
                client.remove_tags_from_resource(ResourceType="Parameter", ResourceId=id_, TagKeys=gone)
            if new:
                client.add_tags_to_resource(ResourceType="Parameter", ResourceId=id_, Tags=pairs(new))

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Take it away."""
        found(lambda: aws.client("ssm").delete_parameter(Name=id_), NO_PARAMETER)


def _put(given: Mapping[str, Any]) -> Props:
    value = given.get("value", given.get("insecureValue"))
    named_ = called(
        given,
        name="Name",
        type="Type",
        description="Description",
        keyId="KeyId",
        tier="Tier",
        dataType="DataType",
        allowedPattern="AllowedPattern",
    )
    return {**named_, "Value": value}
