"""`rules/timeline.yaml`: what the picture of a patient's course shows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cds_service.knowledge.model.base import Model
from cds_service.knowledge.model.growth import Standing
from cds_service.knowledge.model.names import AnalyteId, FactId, Threshold
from cds_service.knowledge.model.selection import Selection


class Series(Model):
    """One thing that a track shows; exactly one of these says what.

    `fact`: the value that a fact had at each hour. `values`: every value that this fact takes the newest of. `vital`:
    every value of a vital sign that the CRS grade is derived from. `records`: the records themselves; with an `analyte`
    the amount that each says. Cultures whose standing is one of `hollow` are drawn hollow.
    """

    title: str
    fact: FactId | None = None
    values: FactId | None = None
    vital: Literal["temperature", "systolic", "saturation", "flow"] | None = None
    records: tuple[Selection, ...] = ()
    analyte: AnalyteId | None = None
    hollow: tuple[Standing, ...] = ()

    @model_validator(mode="after")
    def _one_source(self) -> Series:
        if sum(map(bool, (self.fact, self.values, self.vital, self.records))) != 1:
            raise ValueError("expected one of fact, values, vital, records")
        if (self.analyte or self.hollow) and not self.records:
            raise ValueError("analyte and hollow need records beside them")
        return self


class Line(Model):
    """A threshold that is drawn across a track, and how it is called."""

    title: str
    at: Threshold


class Track(Model):
    """One strip of the picture. `least` and `most` are the ends of its scale, where the values alone do not say them;
    a `log` scale is for values that differ by orders of magnitude."""

    title: str
    series: Annotated[tuple[Series, ...], Field(min_length=1)]
    lines: tuple[Line, ...] = ()
    scale: Literal["linear", "log"] = "linear"
    least: float | None = None
    most: float | None = None


class Picture(Model):
    """`rules/timeline.yaml`: the tracks, from above."""

    tracks: tuple[Track, ...] = ()
