"""DynamoDB: tables, without secondary indexes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
    waited,
)

NO_TABLE = "ResourceNotFoundException"


class Table(Kind):
    """``aws.dynamodb.Table``, without secondary indexes."""

    token = "aws:dynamodb/table:Table"
    inputs = {
        "name": named(255),
        "billingMode": Property(default="PROVISIONED"),
        "hashKey": FIXED,
        "rangeKey": FIXED,
        "attributes": Property(unordered=True, inside={"name": PLAIN, "type": PLAIN}),
        "readCapacity": CHOSEN,
        "writeCapacity": CHOSEN,
        "tableClass": CHOSEN,
        "deletionProtectionEnabled": CHOSEN,
        "pointInTimeRecovery": Property(computed=True, inside={"enabled": PLAIN, "recoveryPeriodInDays": CHOSEN}),
        "serverSideEncryption": Property(computed=True, inside={"enabled": PLAIN, "kmsKeyArn": CHOSEN}),
        "ttl": Property(computed=True, inside={"attributeName": CHOSEN, "enabled": CHOSEN}),
        "tags": PLAIN,
    }
    outputs = ("arn",)

    def create(self, aws: Aws, given: Props) -> str:
        """Make it, and wait until it is active."""
        client, name = aws.client("dynamodb"), given["name"]
        keys = [{"AttributeName": given["hashKey"], "KeyType": "HASH"}]
        if given.get("rangeKey"):
            keys.append({"AttributeName": given["rangeKey"], "KeyType": "RANGE"})
        attributes = [{"AttributeName": one["name"], "AttributeType": one["type"]} for one in given["attributes"]]
        asked = called(
            given,
            name="TableName",
            billingMode="BillingMode",
            tableClass="TableClass",
            deletionProtectionEnabled="DeletionProtectionEnabled",
        )
        if given["billingMode"] == "PROVISIONED":
            asked["ProvisionedThroughput"] = {
                "ReadCapacityUnits": given["readCapacity"],
                "WriteCapacityUnits": given["writeCapacity"],
            }
        if given.get("serverSideEncryption"):
            asked["SSESpecification"] = _encryption(given["serverSideEncryption"])
        if given.get("tags"):
            asked["Tags"] = pairs(given["tags"])
        client.create_table(KeySchema=keys, AttributeDefinitions=attributes, **asked)
        waited(
            lambda: True if client.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE" else None,
            f"table {name} to be active",
        )
        _kept(client, name, given)
        return str(name)

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """As `describe_table` has it."""
        client = aws.client("dynamodb")
        answer = found(lambda: client.describe_table(TableName=id_), NO_TABLE)
        if answer is None:
            return None
        one = answer["Table"]
        keys = {item["KeyType"]: item["AttributeName"] for item in one["KeySchema"]}
        backups = client.describe_continuous_backups(TableName=id_)["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") == "ENABLED"
        tags = client.list_tags_of_resource(ResourceArn=one["TableArn"])["Tags"]
        return some(
            {
                "name": id_,
                "billingMode": one.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
                "hashKey": keys["HASH"],
                "rangeKey": keys.get("RANGE"),
                "attributes": [
                    {"name": item["AttributeName"], "type": item["AttributeType"]}
                    for item in one["AttributeDefinitions"]
                ],
                "deletionProtectionEnabled": one.get("DeletionProtectionEnabled"),
                "pointInTimeRecovery": {"enabled": recovery},
                "arn": one["TableArn"],
                "tags": tags_of(tags),
            }
        )

    def update(self, aws: Aws, id_: str, wanted: Props, before: Props, changed: Collection[str]) -> None:
        """In place."""
        client = aws.client("dynamodb")
        asked = called(
            {name: wanted.get(name) for name in changed},
            billingMode="BillingMode",
            tableClass="TableClass",
            deletionProtectionEnabled="DeletionProtectionEnabled",
        )
        if asked:
            client.update_table(TableName=id_, **asked)
        _kept(client, id_, {name: wanted.get(name) for name in changed})
        if "tags" in changed:
            gone, new = retagged(before.get("tags"), wanted.get("tags"))
            if gone:
                client.untag_resource(ResourceArn=wanted["arn"], TagKeys=gone)
            if new:
                client.tag_resource(ResourceArn=wanted["arn"], Tags=pairs(new))

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Take it away, and wait until it is gone."""
        client = aws.client("dynamodb")
        found(lambda: client.delete_table(TableName=id_), NO_TABLE)
        waited(
            lambda: True if found(lambda: client.describe_table(TableName=id_), NO_TABLE) is None else None,
            f"table {id_} to be gone",
        )


def _encryption(asked: Mapping[str, Any]) -> Props:
    return {
        "Enabled": bool(asked.get("enabled")),
        **called(asked, kmsKeyArn="KMSMasterKeyId"),
        **({"SSEType": "KMS"} if asked.get("enabled") else {}),
    }


def _kept(client: Any, name: str, given: Mapping[str, Any]) -> None:
    if given.get("pointInTimeRecovery"):
        wanted = {"PointInTimeRecoveryEnabled": bool(given["pointInTimeRecovery"].get("enabled"))}
        client.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=wanted)
    if given.get("ttl"):
        wanted = {"Enabled": bool(given["ttl"].get("enabled")), "AttributeName": given["ttl"]["attributeName"]}
        client.update_time_to_live(TableName=name, TimeToLiveSpecification=wanted)
