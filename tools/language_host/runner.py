"""Runs one Pulumi program inside a stack; started by the language host, one process per `up` or `preview`.

Exit status 0 is success, ALREADY_TOLD means that the person has been told what is wrong, anything else is a crash.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

import pulumi
import pulumi.runtime
from guard import end_with_parent
from programs import ALREADY_TOLD


def main() -> int:
    """Configure the SDK from the JSON on standard input, run the program, tell the engine what went wrong."""
    end_with_parent()
    request = json.load(sys.stdin)
    pulumi.runtime.set_all_config(pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env())
    pulumi.runtime.configure(pulumi.runtime.Settings(**request["settings"]))
    program = program_file(request["program"])
    sys.argv = [program, *request["args"]]
    sys.path.insert(0, str(Path(program).parent))
    # A program that fails leaves outputs unresolved; asyncio would complain about each of them.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: run(program)))
    except pulumi.RunError as refused:
        pulumi.log.error(str(refused))
        return int(ALREADY_TOLD)
    except Exception as failure:  # noqa: BLE001  -- whatever a program raises is shown to the person who runs it
        pulumi.log.error(f"Program failed with an unhandled exception:\n{own_traceback(failure)}")
        return int(ALREADY_TOLD)
    finally:
        loop.close()
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def program_file(entry: str) -> str:
    """The file to run: `__main__.py` of a directory, or the file itself."""
    path = Path(entry).absolute()  # not resolved: a linked program belongs to the directory it runs in
    return str(path / "__main__.py" if path.is_dir() else path)


def run(program: str) -> None:
    """The program, as `python PROGRAM` would run it."""
    runpy.run_path(program, run_name="__main__")


def own_traceback(failure: BaseException) -> str:
    """The traceback from the program's first line on: what is above it is ours."""
    frames: Any = failure.__traceback__
    above = {__file__, runpy.__file__, "<frozen runpy>", asyncio.base_events.__file__}
    while frames and (frames.tb_frame.f_code.co_filename in above or is_sdk(frames.tb_frame.f_code.co_filename)):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(failure), failure, frames or failure.__traceback__)).rstrip()


def is_sdk(name: str) -> bool:
    """Whether a file belongs to Pulumi's SDK."""
    return name.startswith(str(Path(pulumi.__file__).parent) + os.sep)


if __name__ == "__main__":
    sys.exit(main())
