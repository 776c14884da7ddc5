"""Gets what the lab on Kubernetes needs: a control plane in one program, and Pulumi's own Kubernetes plugin; standard library only.

The rule: only what is asked for is built.  A plugin that Pulumi's home has already, or may fetch, is used instead of a build.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from pathlib import Path

import go_build

CONTROL_PLANE = go_build.Program(
    name="kubernetes",
    binary="kubernetes",
    module=go_build.TOOLS / "kubernetes",
    pinned="k8s.io/kubernetes",
    package=".",
    flags="-s -w -X k8s.io/component-base/version.gitVersion={version}",
    minutes=10,
)
COMMANDS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kubelet-streams")
RELEASE = "4.25.0"
"""What the plugin calls itself: that of the SDK of its days, since its module has no versions."""
PLUGIN = go_build.Program(
    name="kubernetes-plugin",
    binary="pulumi-resource-kubernetes",
    module=go_build.TOOLS / "kubernetes_plugin",
    pinned="github.com/pulumi/pulumi-kubernetes/provider/v4",
    package=".",
    flags=f"-s -w -X main.version={RELEASE}",
    minutes=15,
    instead=f"run `pulumi plugin install resource kubernetes v{RELEASE}`",
    documents=(
        "cmd/pulumi-resource-kubernetes/schema.json",
        "cmd/pulumi-resource-kubernetes/terraform-mapping.json",
    ),
)
INSTALL_SECONDS = 300.0


def main(arguments: list[str] | None = None) -> int:
    """Get what is named and print where it is; 0, or 1 with one line that says what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="+", choices=["control-plane", "plugin"])
    options = parser.parse_args(arguments)
    try:
        for what in options.what:
            print(control_plane() if what == "control-plane" else plugin())
    except go_build.Missing as missing:
        print(f"kubernetes: {missing}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"kubernetes: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def control_plane() -> Path:
    """A directory with all COMMANDS, each a name of the one program."""
    built: Path = CONTROL_PLANE.get("the lab on Kubernetes needs a control plane")
    for name in COMMANDS:
        link = built.parent / name
        if not link.is_symlink():
            new = link.with_name(f".{name}.{os.getpid()}")
            new.symlink_to(built.name)
            new.replace(link)
    return built.parent


def plugin() -> Path:
    """The directory of the plugin, to be linked by its name below ``plugins`` of a Pulumi home.

    One of a person's own home is taken before anything is fetched or built.
    """
    wanted = Path("plugins") / f"resource-kubernetes-v{RELEASE}"
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    if (home / wanted / PLUGIN.binary).exists():
        return home / wanted
    built: Path = PLUGIN.cached
    if not built.exists():
        why = not_fetched()
        if not why:
            return home / wanted
        PLUGIN.get(why)
    place = built.parent / wanted.name
    place.mkdir(exist_ok=True)
    if not (place / built.name).exists():
        go_build.link_or_copy(built, place / built.name)
    return place


def not_fetched() -> str:
    """Let Pulumi fetch the plugin into its home; empty, or why that is not to be."""
    pulumi = shutil.which("pulumi", path=os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.prefix) / "bin")]))
    if not pulumi:
        return "no pulumi to fetch its Kubernetes plugin"
    command = [pulumi, "plugin", "install", "resource", "kubernetes", f"v{RELEASE}"]
    code, said = go_build.answer_of(command, INSTALL_SECONDS)
    reason = re.sub(r"\s+", " ", said).strip()[-200:]
    return f"pulumi cannot fetch its Kubernetes plugin ({reason})" if code else ""


if __name__ == "__main__":
    sys.exit(main())
