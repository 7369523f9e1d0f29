"""Wilson's interval of a share.

Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
Statistical Association 22 (1927), 209-212.
"""

from math import sqrt
from typing import Final

# 95 of 100 intervals contain the number.
Z: Final = 1.96


def bound_share(part: int, whole: int) -> tuple[float, float]:
    """Return the bounds of a share, of which a part of a whole sample has been seen."""
    share = part / whole
    scale = 1 + Z**2 / whole
    centre = (share + Z**2 / (2 * whole)) / scale
    margin = Z / scale * sqrt(share * (1 - share) / whole + Z**2 / (4 * whole**2))
    return centre - margin, centre + margin
