"""What runs beside HAProxy, where its admin socket cannot be reached from elsewhere: asks one line of commands, prints the answer packed (or plain: SOCKET COMMAND).

The rule: it is one small file with nothing but the standard library of any Python from 3.7, since an instance has no other; it decides nothing. 0 is an answer, 3 is none.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import socket
import sys
import time
from typing import Any

NO_ANSWER, SECONDS = 3, 5.0


def answered(asked: dict[str, Any]) -> str:
    """The lines of the answer, each cut to what `only` matches."""
    deadline = time.monotonic() + asked["seconds"]
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(asked["seconds"])
        stream.connect(asked["socket"])
        stream.sendall(asked["command"].encode() + (b"\nquit\n" if asked["closing"] else b"\n"))
        if asked["closing"]:
            stream.shutdown(socket.SHUT_WR)
        parts = []
        while True:
            stream.settimeout(max(0.001, deadline - time.monotonic()))
            part = stream.recv(65536)
            if not part:
                break
            parts.append(part)
    if not parts:
        raise OSError("closed without an answer")
    text = b"".join(parts).decode()
    if not asked["only"]:
        return text
    found = (re.search(asked["only"], line) for line in text.splitlines())
    return "".join(one.group(0) + "\n" for one in found if one) or "\n"


def main() -> None:
    """Ask what the arguments say."""
    plain = len(sys.argv) > 2
    try:
        if plain:
            asked = {"socket": sys.argv[1], "command": sys.argv[2], "seconds": SECONDS, "closing": False, "only": ""}
        else:
            asked = json.loads(gzip.decompress(base64.b64decode(sys.argv[1])))
        text = answered(asked)
    except OSError as error:
        sys.stderr.write(f"{error or type(error).__name__}\n")
        sys.exit(NO_ANSWER)
    sys.stdout.write(text if plain else base64.b64encode(gzip.compress(text.encode(), 9)).decode() + "\n")


if __name__ == "__main__":
    main()
