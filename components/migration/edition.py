"""Which edition a 4.x or 5.x cluster is, as its own files say it; None where none does: it is asked for, never assumed."""

from __future__ import annotations

import re

from components.cutover.words import Edition
from components.migration.facts import Facts

_ENTERPRISE_SECTIONS = ("modules", "schemas", "configs")
"""What only Enterprise 4.x exports (references: emqx_mgmt_data_backup of both editions)."""
_ENTERPRISE_IMAGE = re.compile(r"\bemqx/emqx-(?:ee|enterprise)\b|\bemqx-ee[:_-]|\bemqx-enterprise[:_-]")
_OPEN_IMAGE = re.compile(r"\bemqx/emqx:v?(?:4|5\.[0-8])\b|\bimage:\s*[\"']?emqx:v?(?:4|5\.[0-8])\b")


def edition_of(facts: Facts) -> Edition | None:
    """What the files say.

    An archive names it. An export of Enterprise has sections that an open source one never has. ``loaded_modules`` of Enterprise is JSON, and
    only Enterprise has a licence. A file that starts nodes names their image.
    """
    if facts.archive is not None:
        return facts.archive.edition
    if facts.export is not None:
        return "ee" if any(section in facts.export.data for section in _ENTERPRISE_SECTIONS) else "ce"
    said: set[Edition] = set()
    for file, text in facts.files.items():
        if file.endswith("loaded_modules") and text.lstrip().startswith("["):
            said.add("ee")
        if _ENTERPRISE_IMAGE.search(text):
            said.add("ee")
        elif _OPEN_IMAGE.search(text):
            said.add("ce")
    if any(setting.key.startswith("license.") for conf in facts.confs or () for setting in conf.settings):
        said.add("ee")
    return said.pop() if len(said) == 1 else None
