"""Where balancers live: the word in the stack file, and what stands for it; one more is one module and one line here."""

from __future__ import annotations

from components.balancer.aws import AwsBalancer
from components.balancer.base import BalancerTarget
from components.balancer.kubernetes import KubernetesBalancer
from components.balancer.local import LocalBalancer
from components.balancer.network_load_balancer import NetworkLoadBalancer
from components.balancer.route53 import Route53
from components.balancer.service import ServiceBalancer

BALANCERS: dict[str, BalancerTarget] = {
    "local": LocalBalancer(),
    "kubernetes": KubernetesBalancer(),
    "service": ServiceBalancer(),
    "aws": AwsBalancer(),
    "network_load_balancer": NetworkLoadBalancer(),
    "route53": Route53(),
}
