"""LightGBM without scikit-learn.

LightGBM takes scikit-learn along wherever that is installed, for estimator classes that nobody here
uses, and goes without where it is not. It is 65 MiB of every broker's memory.
"""

from __future__ import annotations

import sys

__all__ = ["lgb"]

_HIDDEN = "sklearn"


def _hide() -> bool:
    """Make `import sklearn` fail as if it were not installed; not where somebody uses it."""
    if _HIDDEN in sys.modules:
        return False
    sys.modules[_HIDDEN] = None  # type: ignore[assignment]  # documented: the import fails
    return True


_hidden = _hide()
try:
    import lightgbm as lgb
finally:
    if _hidden:
        del sys.modules[_HIDDEN]
