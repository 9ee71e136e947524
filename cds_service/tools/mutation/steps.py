"""The smallest change of a written number: one up and one down in its last place; a boolean is turned round."""

from __future__ import annotations

from decimal import Decimal

Number = bool | int | float


def moved(value: Number) -> tuple[Number, ...]:
    """`8` as 7 and 9, `38.0` as 37.9 and 38.1, `1.5` as 1.4 and 1.6, `true` as false."""
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int):
        return (value - 1, value + 1)
    written = Decimal(str(value))
    exponent = written.as_tuple().exponent
    step = Decimal(1).scaleb(min(exponent, 0)) if isinstance(exponent, int) else Decimal(1)
    return (float(written - step), float(written + step))
