"""Where moto says that something is done at once, or for ever well, and the lab knows better.

The rule: only what moto has as a stand-in of its own is replaced; what it answers, refuses and remembers is its own.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

from lab.aws.balancers import Balancers
from lab.aws.instances import Instances

DELAY = "deregistration_delay.timeout_seconds"
MOST_OUTPUT = 24_000
"""Characters that are told of what a command printed."""
FAILED = {"Name": "reachability", "Status": "failed"}


def play(instances: Instances, balancers: Balancers, loop: asyncio.AbstractEventLoop) -> None:
    """From now on, in this process."""
    _instances(instances)
    _volumes(instances)
    _commands(instances, loop)
    _balancers(balancers)


def after(owner: Any, name: str, then: Callable[..., None]) -> None:
    """Do something with what a method returned, before anybody else sees it."""
    original = getattr(owner, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        answer = original(self, *args, **kwargs)
        then(answer, self)
        return answer

    setattr(owner, name, method)


def instead(owner: Any, name: str, method: Any) -> None:
    """Another method in the place of one."""
    setattr(owner, name, method)


def _instances(instances: Instances) -> None:
    from moto.core.responses import ActionResult
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.instances import Instance
    from moto.ec2.responses.general import General

    def booted(made: Any, _: Any) -> None:
        for one in made.instances:
            instances.tell(one, "boot")

    after(EC2Backend, "run_instances", booted)
    after(Instance, "start", lambda _, one: instances.tell(one, "boot"))
    after(Instance, "stop", lambda _, one: instances.tell(one, "stop"))
    after(Instance, "terminate", lambda _, one: instances.tell(one, "end"))

    def console(self: Any) -> Any:
        one = instances.known[self._get_param("InstanceId")]
        text = one.machine.console.read_text(errors="replace") if one.machine.console.exists() else ""
        result = {"InstanceId": one.moto.id, "Output": base64.b64encode(text[-65536:].encode()).decode()}
        return ActionResult(result)

    instead(General, "get_console_output", console)
    original = vars(Instance)["instance_status"].fget

    def status(self: Any) -> Any:
        one = instances.known.get(self.id)
        if one is None or not one.impaired:
            return original(self)
        return {"Status": "impaired", "Details": [FAILED]}

    instead(Instance, "instance_status", property(status))


def _volumes(instances: Instances) -> None:
    from moto.ec2.models import EC2Backend

    disks = instances.disks
    after(EC2Backend, "create_volume", lambda volume, _: disks.made(volume))
    after(EC2Backend, "create_snapshot", lambda snapshot, _: disks.kept(snapshot))
    after(EC2Backend, "attach_volume", lambda attachment, _: disks.attached(attachment))


def _commands(instances: Instances, loop: asyncio.AbstractEventLoop) -> None:
    """`SendCommand` runs a script for real; an instance without power has no agent that takes one."""
    from moto.core.exceptions import JsonRESTError
    from moto.ssm.models import Command

    def invocation(self: Any, instance_id: str, plugin_name: str) -> dict[str, Any]:
        one = instances.known.get(instance_id)
        if one is None or not one.machine.running:
            seen = "not known" if one is None else one.machine.power
            raise JsonRESTError(
                "InvalidInstanceId", f"Instances [[{instance_id}]] not in a valid state for account: {seen}"
            )
        told: dict[str, Any] = {**original(self, instance_id, plugin_name), **_state("InProgress")}
        lines = self.parameters.get("commands", [])
        asyncio.run_coroutine_threadsafe(_run(instances, instance_id, lines, told), loop)
        return told

    def targets(self: Any) -> list[str]:
        return all_of(self) if self.targets else []  # moto's own takes no target for every instance of the account

    original, all_of = Command.invocation_response, Command._get_instance_ids_from_targets  # noqa: SLF001
    instead(Command, "invocation_response", invocation)
    instead(Command, "_get_instance_ids_from_targets", targets)


async def _run(instances: Instances, id_: str, lines: list[str], told: dict[str, Any]) -> None:
    try:
        code, said, wrong = await instances.known[id_].command(lines)
    except (OSError, KeyError) as error:
        code, said, wrong = 1, "", f"undeliverable: {error}"
    outcome = {"ResponseCode": code, "StandardOutputContent": said[:MOST_OUTPUT], "StandardErrorContent": wrong}
    told.update({**outcome, **_state("Failed" if code else "Success")})


def _state(word: str) -> dict[str, str]:
    return {"Status": word, "StatusDetails": word}


def _balancers(balancers: Balancers) -> None:
    from moto.elbv2.models import ELBv2Backend, FakeHealthStatus, FakeTargetGroup

    def named(balancer: Any, _: Any) -> None:
        balancer.dns_name = balancers.address(balancer.arn)

    after(ELBv2Backend, "create_load_balancer", named)
    modify = ELBv2Backend.modify_target_group_attributes

    def modified(self: Any, target_group_arn: str, attributes: dict[str, Any]) -> None:
        # an hour is allowed, as its own message says
        hour = {name: value for name, value in attributes.items() if (name, str(value)) == (DELAY, "3600")}
        modify(self, target_group_arn, {name: value for name, value in attributes.items() if name not in hour})
        self.target_groups[target_group_arn].attributes.update(hour)

    instead(ELBv2Backend, "modify_target_group_attributes", modified)
    original = FakeTargetGroup.health_for

    def health(self: Any, target: dict[str, Any], ec2_backend: Any) -> Any:
        told = original(self, target, ec2_backend)
        seen = balancers.health(self.arn, str(target["Id"]))
        if seen is None or told.status == "unused":
            return told
        return FakeHealthStatus(told.instance_id, told.port, told.health_check_port, *seen)

    instead(FakeTargetGroup, "health_for", health)
