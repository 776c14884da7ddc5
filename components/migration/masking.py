"""A value as an account may show it: in one line, quoted, short, and without a secret.

The rule kept here: what a key calls a secret is masked whole, and so is what an address or a list of parameters calls one; when in doubt it is masked.
"""

from __future__ import annotations

import json
import re

MASK = "***"
MOST_LETTERS = 80
_WORDS = r"pass(?:word|wd|phrase)?|pwd|secret|token|cookie|credential|authorization|private|api[-_.]?key|access[-_.]?key|bearer"
_SECRET_KEY = re.compile(
    rf"(?i)(?:{_WORDS})|\bheaders?\.(?!content[-_]type$)|^license\.key$|\bkey$|\.jwt$|\bpsk\.(?!file\.)"
    r"|^auth\.(?:mongo|mysql|pgsql|redis|ldap)\.(?:login|user(?:name)?)$"
)
_NO_SECRET = re.compile(
    r"(?i)(?:password_hash|password_field|pass_?word_hash_algorithm|\.from|acl_claim_name|_addr|_mechanism|pubkey|params)$"
)
_USER_INFO = re.compile(r"(://[^/@\s:]*):[^/\s]+@")
_PARAMETER = re.compile(
    rf"(?i)((?:^|[?&,;\s])[\w.-]*(?:{_WORDS}|sig|signature|key)[\w.-]*\s*[=:]\s*)(?![%$])(?:'[^']*'|[^&,;\s]+)"
)


def shown(key: str, value: object) -> str:
    """The value of a setting, as JSON writes it, so that blanks and quotes around it are seen.

    Args:
        key: its name, which may say that it is a secret.
        value: text, or what a converter made of it.

    """
    if _SECRET_KEY.search(key) and not _NO_SECRET.search(key):
        return MASK
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else json.dumps(value)
    text = _PARAMETER.sub(rf"\1{MASK}", _USER_INFO.sub(rf"\1:{MASK}@", text))
    text = text if text.isprintable() else json.dumps(text, ensure_ascii=True)[1:-1]
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}... ({len(text)} letters)"
