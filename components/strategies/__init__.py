"""The strategies: the word in the stack file, and what stands for it; a strategy is one module and one line here."""

from __future__ import annotations

from components.strategies.base import Strategy
from components.strategies.rolling import Rolling
from components.strategies.same_cluster import SameCluster
from components.strategies.two_cluster import TwoCluster

STRATEGIES: dict[str, Strategy] = {"two-cluster": TwoCluster(), "same-cluster": SameCluster(), "rolling": Rolling()}
