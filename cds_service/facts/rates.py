"""The rate of an infusion, wherever charts write one: as a rate, as a dose per time, or in the words of the dosage.

Whatever its unit: what matters is that there is one, and whether it is zero.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from cds_service.chart.resource import Resource
from cds_service.chart.units import number_of
from cds_service.facts.model import Reading
from cds_service.facts.ways import texts_of
from cds_service.knowledge.model import Vasopressors

_LONGEST_TEXT = 500  # characters of a dosage's text that are read


def rate_of(drugs: Vasopressors, record: Resource, reading: Reading) -> float | None:
    """The highest rate of a record; that of its words where nothing else says one. None where it says none."""
    return record.remember("infusion rate", lambda r: _rate(drugs, r, reading))


def _rate(drugs: Vasopressors, record: Resource, reading: Reading) -> float | None:
    told = [value for dosage in record.dosages for value in _numbers(drugs.per_time, dosage)]
    return max(told or _in_words(drugs, record, reading), default=None)


def _numbers(per_time: tuple[str, ...], dosage: Mapping[str, Any]) -> Iterator[float]:
    parts = dosage.get("doseAndRate")
    for told in (dosage, *(parts if isinstance(parts, list) else ())):
        if not isinstance(told, Mapping):
            continue
        ratio = told.get("rateRatio")
        rates = [told.get("rateQuantity"), ratio.get("numerator") if isinstance(ratio, Mapping) else None]
        doses = [told.get("dose"), told.get("doseQuantity")]
        rates += [dose for dose in doses if isinstance(dose, Mapping) and _is_rate(per_time, dose)]
        values = (number_of(rate.get("value")) for rate in rates if isinstance(rate, Mapping))
        yield from (value for value in values if value is not None)


def _is_rate(per_time: tuple[str, ...], dose: Mapping[str, Any]) -> bool:
    return any(
        _written(per_time).search(f"1 {dose[key]}") for key in ("unit", "code") if isinstance(dose.get(key), str)
    )


def _in_words(drugs: Vasopressors, record: Resource, reading: Reading) -> list[float]:
    """What a text says that an infusion runs at; not what it may be raised to."""
    words = [said for said in texts_of(record) if not said.empty]
    words = [said for said in words if not reading.terms[drugs.instructed].matches(said)]
    texts = (unicodedata.normalize("NFKC", said.written.text[:_LONGEST_TEXT]) for said in words)
    found = (number for text in texts for number in _written(drugs.per_time).findall(text))
    return [float(number.replace(",", ".")) for number in found]


@cache
def _written(per_time: tuple[str, ...]) -> re.Pattern[str]:
    """A number before a unit that ends in one of these, at most a few words away."""
    ends = "|".join(re.escape(end).replace(r"\ ", r"\s+") for end in sorted(per_time, key=len, reverse=True))
    return re.compile(
        rf"(?<![\d.,])(\d{{1,6}}(?:[.,]\d{{1,6}})?)\s?[^\d,;\n]{{0,20}}?(?:{ends})(?![^\W\d_])", re.IGNORECASE
    )
