"""CloudWatch: alarms."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from lab.aws.plugin.kind import (
    CHOSEN,
    PLAIN,
    SET,
    Aws,
    Kind,
    Property,
    Props,
    called,
    found,
    named,
    pairs,
    retagged,
    tags_of,
)

ALARM = {
    "name": "AlarmName",
    "alarmDescription": "AlarmDescription",
    "comparisonOperator": "ComparisonOperator",
    "evaluationPeriods": "EvaluationPeriods",
    "datapointsToAlarm": "DatapointsToAlarm",
    "metricName": "MetricName",
    "namespace": "Namespace",
    "period": "Period",
    "statistic": "Statistic",
    "threshold": "Threshold",
    "treatMissingData": "TreatMissingData",
    "unit": "Unit",
    "actionsEnabled": "ActionsEnabled",
    "alarmActions": "AlarmActions",
    "okActions": "OKActions",
    "insufficientDataActions": "InsufficientDataActions",
}


class MetricAlarm(Kind):
    """``aws.cloudwatch.MetricAlarm`` of one metric."""

    token = "aws:cloudwatch/metricAlarm:MetricAlarm"
    inputs = {
        **dict.fromkeys(ALARM, PLAIN),
        "name": named(255),
        "treatMissingData": Property(default="missing"),
        "actionsEnabled": Property(default=True),
        **dict.fromkeys(("alarmActions", "okActions", "insufficientDataActions"), SET),
        "datapointsToAlarm": CHOSEN,
        "dimensions": PLAIN,
        "tags": PLAIN,
    }
    outputs = ("arn",)

    def create(self, aws: Aws, given: Props) -> str:
        """Put it."""
        _alarm(aws, given, given.get("tags"))
        return str(given["name"])

    def read(self, aws: Aws, id_: str, known: Props) -> Props | None:
        """As `describe_alarms` has it."""
        client = aws.client("cloudwatch")
        listed = client.describe_alarms(AlarmNames=[id_])["MetricAlarms"]
        if not listed:
            return None
        one = listed[0]
        seen = {ours: one[theirs] for ours, theirs in ALARM.items() if one.get(theirs) not in (None, "", [])}
        tags = client.list_tags_for_resource(ResourceARN=one["AlarmArn"])["Tags"]
        dimensions = {item["Name"]: item["Value"] for item in one.get("Dimensions", [])}
        return {**seen, "dimensions": dimensions, "arn": one["AlarmArn"], "tags": tags_of(tags)}

    def update(self, aws: Aws, id_: str, wanted: Props, before: Props, changed: Collection[str]) -> None:
        """Put it anew."""
        client = aws.client("cloudwatch")
        if set(changed) - {"tags"}:
            _alarm(aws, wanted, None)
        if "tags" in changed:
            gone, new = retagged(before.get("tags"), wanted.get("tags"))
            if gone:
                client.untag_resource(ResourceARN=wanted["arn"], TagKeys=gone)
            if new:
                client.tag_resource(ResourceARN=wanted["arn"], Tags=pairs(new))

    def delete(self, aws: Aws, id_: str, known: Props) -> None:
        """Take it away."""
        found(lambda: aws.client("cloudwatch").delete_alarms(AlarmNames=[id_]), "ResourceNotFound")


def _alarm(aws: Aws, given: Mapping[str, Any], tags: Mapping[str, str] | None) -> None:
    dimensions = [{"Name": name, "Value": value} for name, value in sorted((given.get("dimensions") or {}).items())]
    more = {"Tags": pairs(tags)} if tags else {}
    aws.client("cloudwatch").put_metric_alarm(**called(given, **ALARM), Dimensions=dimensions, **more)
