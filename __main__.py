"""The program: settings, components, exports; no logic."""

from __future__ import annotations

import os

import pulumi

from components.emqx.errors import UpgradeError
from components.intent import load
from components.plan_files import VARIABLE, write_plan, write_refusal
from components.preview import plan_of
from components.upgrade import BlueGreen

config = pulumi.Config("emqx")
try:
    names = [key.removeprefix("emqx:") for key in pulumi.runtime.get_config_env() if key.startswith("emqx:")]
    certificates = pulumi.runtime.config.get_config("emqx:certificates")
    settings = load(config.get, stack=pulumi.get_stack(), names=names, certificates=certificates)
    plan = plan_of(settings, pulumi.runtime.config.get_config("emqx:credentials"))
    write_plan(plan, settings.work_directory, os.environ.get(VARIABLE))
except UpgradeError as refusal:
    write_refusal(refusal, os.environ.get(VARIABLE))
    raise pulumi.RunError(str(refusal)) from None

if pulumi.runtime.is_dry_run():
    pulumi.log.info(plan.text)

fleet = BlueGreen("fleet", settings, runs=plan.runs)
pulumi.export("mqtt", fleet.mqtt)
if settings.balancer.listeners:
    pulumi.export("listeners", fleet.listeners)
pulumi.export("live", fleet.live)
pulumi.export("workDirectory", settings.work_directory)
