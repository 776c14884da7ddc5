"""Gets a `pulumi` with its Python language host into a virtual environment; standard library only, it runs before anything is installed.

A `pulumi` on PATH is used when it is recent enough and has a Python language host of its own; else the version that
`tools/pulumi/go.mod` pins is built from source, once per machine, in a directory named by that version.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import go_build

MINIMUM = (3, 259, 0)  # what this was tried with; older engines were not
PROGRAM = go_build.Program(
    name="pulumi",
    binary="pulumi",
    module=go_build.TOOLS / "pulumi",
    pinned="github.com/pulumi/pulumi/pkg/v3",
    package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    flags="-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={version}",
    minutes=5,
    instead=f"a pulumi {go_build.text(MINIMUM)} or newer",
)
PLUGINS = ("pulumi-language-python", "pulumi-resource-pulumi-python")
SIGNATURE = "# Written by tools/get_pulumi.py"


def main(arguments: list[str] | None = None) -> int:
    """Put `pulumi` into ``--into DIRECTORY`` and print its path; 0, or 1 with one line that says what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, required=True, help="the bin directory of a virtual environment")
    options = parser.parse_args(arguments)
    try:
        print(provide(options.into.absolute()))
    except go_build.Missing as missing:
        PROGRAM.say(str(missing))
        return 1
    except OSError as error:
        PROGRAM.say(f"{error.filename or options.into}: {error.strerror}")
        return 1
    return 0


def provide(directory: Path) -> Path:
    """``DIRECTORY/pulumi``: a link to the one on PATH, or the pinned build with our language host beside it."""
    target = directory / "pulumi"
    existing, reason = usable_on_path(excluding=directory)
    if existing:
        PROGRAM.say(f"using {existing}: {reason}")
        for name in PLUGINS:
            (directory / name).unlink(missing_ok=True)
        replace(target, lambda new: new.symlink_to(existing))
        return target
    built = PROGRAM.get(reason)
    if not target.exists() or target.is_symlink() or not target.samefile(built):
        replace(target, lambda new: go_build.link_or_copy(built, new))
    write_launchers(directory)
    return target


def possible(directory: Path) -> None:
    """Raise Missing at once where ``provide`` would only find out after minutes."""
    existing, reason = usable_on_path(excluding=directory)
    if not existing:
        PROGRAM.possible(reason)


def usable_on_path(*, excluding: Path) -> tuple[Path | None, str]:
    """The `pulumi` on PATH that may be used, and why; or None and why none is used."""
    given = os.environ.get("PATH", "").split(os.pathsep)
    places = [
        place for place in given if place and Path(place).resolve() != excluding.resolve() and not is_ours(Path(place))
    ]
    found = shutil.which("pulumi", path=os.pathsep.join(places))
    if not found:
        return None, "no pulumi on PATH"
    _, said = go_build.answer_of([found, "version"], 60)
    version = go_build.parse_version(said)
    if version is None:
        return None, f"{found} does not tell its version"
    if version < MINIMUM:
        return None, f"{found} is {go_build.text(version)}, at least {go_build.text(MINIMUM)} is needed"
    beside = str(Path(found).resolve().parent)
    for name in PLUGINS:
        if not shutil.which(name, path=os.pathsep.join([beside, *places])):
            return None, f"{found} comes without {name}"
    return Path(found), f"version {go_build.text(version)}"


def write_launchers(directory: Path) -> None:
    """The language host and the dynamic provider beside the binary, where the engine looks for them."""
    python, host = directory / "python", go_build.TOOLS / "language_host" / "host.py"
    own = f'exec "{python}" -u "{host}" "$@"\n'
    # The engine names the project's own virtual environment; without one, it is ours.
    dynamic = (
        'if [ -n "$PULUMI_RUNTIME_VIRTUALENV" ]; then exec "$PULUMI_RUNTIME_VIRTUALENV/bin/python" '
        '-u -m pulumi.dynamic "$@"; fi\n' + f'exec "{python}" -u -m pulumi.dynamic "$@"\n'
    )
    for name, body in zip(PLUGINS, (own, dynamic), strict=True):
        script = f"#!/bin/sh\n{SIGNATURE}\n{body}"
        path = directory / name
        if path.is_file() and path.read_text(encoding="utf-8") == script:
            continue
        replace(path, partial(write_script, script))


def replace(path: Path, make: Callable[[Path], object]) -> None:
    """Make a file beside and rename it, so that nobody ever sees half of it."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    make(new)
    new.replace(path)


def write_script(script: str, path: Path) -> None:
    """An executable file."""
    path.write_text(script, encoding="utf-8")
    path.chmod(0o755)


def is_ours(directory: Path) -> bool:
    """Whether it is another clone's, which may be taken away at any time."""
    launcher = directory / PLUGINS[0]
    try:
        return SIGNATURE in launcher.read_bytes()[:200].decode(errors="replace")
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
