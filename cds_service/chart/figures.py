"""Numbers for reading: values are compared unrounded and printed rounded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_DECIMALS: Final = 2
_MOST: Final = 4  # decimals in which numbers are compared


def rounded(value: float, limits: Iterable[float] = ()) -> str:
    """To a hundredth at most: 20.003 is "20", 0.85 is "0.85"."""
    text = fixed(value, _DECIMALS, limits)
    return text.rstrip("0").rstrip(".") if "." in text else text


def fixed(value: float, decimals: int, limits: Iterable[float] = ()) -> str:
    """In so many decimals, and in more where a value would seem to stand on the other side of one of the limits that it
    was compared with: 89.6 is not "90" beside a limit of 90."""
    value, compared = round(value, _MOST), tuple(limits)
    for places in range(decimals, _MOST):
        text = f"{value:.{places}f}"
        if all(_side(float(text), limit) == _side(value, limit) for limit in compared):
            return text
    return f"{value:.{_MOST}f}"


def _side(value: float, limit: float) -> int:
    return (value > limit) - (value < limit)
