"""A program of a machine that the lab plays: it tells the agent how it was called, and does what the agent says.

The rule: it is one small file with nothing but the standard library, since it is started for every such call.
"""

import json
import os
import socket
import sys

DOOR = "/run/lab/agent.sock"


def main() -> None:
    """Ask, print, and end or become another program."""
    line = socket.socket(socket.AF_UNIX)
    line.connect(DOOR)
    given = "" if sys.stdin is None or sys.stdin.isatty() or "-" not in sys.argv[1:] else sys.stdin.read()
    words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]  # noqa: PTH119 - no more imports than needed
    line.sendall(json.dumps({"words": words, "stdin": given, "at": os.getcwd()}).encode() + b"\n")  # noqa: PTH109
    with line.makefile("r") as answers:
        answer = json.loads(answers.readline() or '{"code": 1, "err": "the machine is going down\\n"}')
    sys.stderr.write(answer.get("err", ""))
    sys.stdout.write(answer.get("out", ""))
    sys.stdout.flush()
    if answer.get("then"):
        os.execv(answer["then"][0], answer["then"])  # noqa: S606 - the program that it stands before
    sys.exit(answer.get("code", 0))


if __name__ == "__main__":
    main()
