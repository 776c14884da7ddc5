"""A Network Load Balancer with two listeners and two colours in an account in memory (moto), and every call that was made to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from components.aws import clients
from components.aws.place import AwsPlace
from components.emqx.models import BalancerHandle, Weighed
from components.routers.listed import COLOUR, PORT
from components.routers.network_load_balancer import NetworkLoadBalancerRouter
from tests.aws_bed import REGION, account

if TYPE_CHECKING:
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client

PORTS = (1883, 8883)


class Cloud:
    """A load balancer with two listeners in moto, and every call that was made to it."""

    def __init__(self, api: ElasticLoadBalancingv2Client, weighed: Weighed) -> None:
        self.api, self.weighed = api, weighed
        self.calls: Counter[str] = Counter()

    def router(self, **more: Any) -> NetworkLoadBalancerRouter:
        place = AwsPlace(region=REGION)
        handle = BalancerHandle(
            router="network_load_balancer", mqtt="lb:1883", admin=(), maps="t", aws=place, weighed=self.weighed
        )
        return NetworkLoadBalancerRouter(handle, **more)

    def weights(self) -> list[dict[str, int]]:
        found = self.api.describe_listeners(ListenerArns=list(self.weighed.listeners))["Listeners"]
        mine = {arn: colour for colour, groups in self.weighed.groups.items() for arn in groups}
        return [
            {
                mine[one["TargetGroupArn"]]: one["Weight"]
                for one in listener["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
            }
            for listener in found
        ]

    def by_hand(self, number: int, **weights: int) -> None:
        """Somebody changes a listener."""
        groups = [
            {"TargetGroupArn": self.weighed.groups[colour][number], "Weight": weights[colour]}  # type: ignore[index]  # the words are colours
            for colour in weights
        ]
        action: Any = [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]
        self.api.modify_listener(ListenerArn=self.weighed.listeners[number], DefaultActions=action)


@contextmanager
def balancer() -> Iterator[Cloud]:
    """One, in an account of its own."""
    with account():
        ec2, api = clients.client(REGION, "ec2"), clients.client(REGION, "elbv2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        arn_of_it = api.create_load_balancer(Name="nlb", Type="network", Subnets=[subnet])["LoadBalancers"][0][
            "LoadBalancerArn"
        ]
        groups: dict[str, list[str]] = {"blue": [], "green": []}
        listeners = []
        for port in PORTS:
            for number, colour in enumerate(groups):
                tags: Any = [{"Key": COLOUR, "Value": colour}, {"Key": PORT, "Value": str(port)}]
                made = api.create_target_group(
                    Name=f"{colour}-{port}", Protocol="TCP", Port=1883, VpcId=vpc, TargetType="ip", Tags=tags
                )
                arn = made["TargetGroups"][0]["TargetGroupArn"]
                groups[colour].append(arn)
                api.register_targets(TargetGroupArn=arn, Targets=[{"Id": f"10.0.1.{number + 1}"}])
            first: Any = [{"Type": "forward", "TargetGroupArn": groups["blue"][-1]}]
            made_listener = api.create_listener(
                LoadBalancerArn=arn_of_it, Protocol="TCP", Port=port, DefaultActions=first
            )
            listeners.append(made_listener["Listeners"][0]["ListenerArn"])
        nodes = {"blue": {"10.0.1.1": "emqx@10.0.1.1"}, "green": {"10.0.1.2": "emqx@10.0.1.2"}}
        weighed = Weighed.model_validate({"listeners": listeners, "groups": groups, "nodes": nodes})
        made_cloud = Cloud(api, weighed)

        def called(model: Any, **_: Any) -> None:
            made_cloud.calls[model.name] += 1

        api.meta.events.register("before-call.*.*", called)
        yield made_cloud
        api.meta.events.unregister("before-call.*.*", called)
