"""Components, providers and the pure core of the EMQX upgrade; nothing in here imports the lab.

The rule: an update starts several processes that import all of this, so what is done here makes that quick, and changes nothing else.
"""

import gc
import sys

# Nearly all that an import makes stays: with Python's 700 the collector looks at all of it a hundred times before the program begins.
gc.set_threshold(50_000, 10, 10)
# httpx imports its command line too, where rich and click happen to be installed; without it, it says so to whoever calls that.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None is how Python is told that there is none
