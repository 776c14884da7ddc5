"""Which of the given files an ``include`` means; a file that was not given is never looked for.

EMQX looks beside the including file, then in ``data/configs`` of the node (``hocon_token.erl``, ``emqx_config.erl``); what a person copied may lie
anywhere, so a file is also known by the end of its path. The rule kept here: of two that it could be, none is taken.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping

from components.hocon.parser import NO_FILE
from components.migration.manifest import BadSource

Text = Callable[[], str | None]
"""Reads a file that was given; None where it is no text."""


class Includes:
    """The given files by their paths."""

    def __init__(self, texts: Mapping[str, Text], whole: Iterable[str] = ()) -> None:
        """All that was given, directories with what lies in them; ``whole`` are those directories."""
        self.texts = {path.replace("\\", "/"): text for path, text in texts.items()}
        self.whole = tuple(posixpath.normpath(directory.replace("\\", "/")) for directory in whole)

    def find(self, name: str, file: str) -> tuple[str, str] | None:
        """The path and text that ``name`` in ``file`` means; None when it was not given, NO_FILE when it would lie in a whole directory and does not.

        Raises:
            BadSource: several files are called so.

        """
        name, file = name.replace("\\", "/"), file.replace("\\", "/")
        path = self._path(name, file)
        if path is None and not name.startswith("/"):
            beside = posixpath.normpath(posixpath.join(posixpath.dirname(file), name))
            return NO_FILE if any(beside.startswith(f"{directory}/") for directory in self.whole) else None
        text = self.texts[path]() if path is not None else None
        return None if path is None or text is None else (path, text)

    def _path(self, name: str, file: str) -> str | None:
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(file), name))
        if beside in self.texts:
            return beside
        end = "/" + name.lstrip("./").rpartition("/")[2]
        found = sorted(path for path in self.texts if f"/{path}".endswith(end))
        if len(found) > 1:
            seen = f"an include of {name[:80]}, which could be {found[0]} or {found[1]}"
            raise BadSource(file, "", seen, "give the one that this node includes, and not the other")
        return found[0] if found else None
