"""By what servers are trusted, read once in a process: that takes ten times as long as a call of a node.

The rule: it is what httpx takes by itself where nothing of the environment is believed, and nobody changes it.
"""

from __future__ import annotations

import functools
import ssl

import httpx


@functools.cache
def authorities() -> ssl.SSLContext:
    """The ``verify`` of every client and call of httpx's, which else reads the certificates of all authorities anew."""
    return httpx.create_ssl_context(trust_env=False)
