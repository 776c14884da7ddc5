"""Components, providers and the pure core of the EMQX upgrade; nothing in here imports the lab.

The rule: an update starts several processes that import all of this, so what is done here makes that quick, and changes nothing else.
"""

import sys

# httpx imports its command line too, where rich and click happen to be installed; without it, it says so to whoever calls that.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None is how Python is told that there is none
