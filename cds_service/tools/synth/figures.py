"""The figures of courses.yaml: everything clinical that a course is drawn from."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Final

import yaml

from cds_service.tools.synth.figure_findings import (
    Allergies,
    HomeProblem,
    Icans,
    IecHs,
    Infections,
    Kidneys,
    Labs,
    Pregnancy,
    Signs,
    Stay,
    Weighing,
)
from cds_service.tools.synth.figure_parts import (
    AskedOfAll,
    AtFever,
    BeforeCells,
    Calendar,
    Drug,
    Grading,
    Model,
    OrderKind,
    People,
    Plot,
    Preventive,
    Product,
    Range,
    Share,
    Support,
    VasopressorRows,
    Weights,
)

FOLDER: Final = Path(__file__).parent


class Figures(Model):
    """The whole file."""

    id: str
    title: str
    owner: str
    status: str
    date: date
    sources: dict[str, str]
    calendar: Calendar
    people: tuple[People, ...]
    weights: Weights
    female_share: Share
    products: tuple[Product, ...]
    supports: tuple[Support, ...]
    plots: tuple[Plot, ...]
    orders: tuple[OrderKind, ...]
    asked_of_all: AskedOfAll
    drugs: dict[str, Drug]
    severe_anakinra_every: float
    mild_anakinra_every: float
    home_since_days: int
    home: tuple[str, ...]
    preventive: tuple[Preventive, ...]
    antipyretic_share: Share
    before_cells: BeforeCells
    antibiotic_at_fever: AtFever
    ordered_before_minutes: int
    vasopressor_rows: VasopressorRows
    grading: Grading
    signs: Signs
    labs: Labs
    kidneys: Kidneys
    icans: Icans
    iec_hs: IecHs
    infections: Infections
    allergies: Allergies
    problems: tuple[HomeProblem, ...]
    disease_days_before: Range
    kidney_disease_days_before: Range
    pregnancy: Pregnancy
    weighing: Weighing
    stay: Stay

    def order(self, name: str) -> OrderKind:
        """The kind of order of a name; raises KeyError."""
        return next(kind for kind in self.orders if kind.name == name)

    def support(self, name: str) -> Support:
        """The support of a name."""
        return next(support for support in self.supports if support.name == name)


@lru_cache(maxsize=1)
def figures() -> Figures:
    """The figures of this package."""
    content = yaml.load((FOLDER / "courses.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return Figures.model_validate(content)
