"""The steps that truths ask for: when somebody orders what, and what may be answered (`tools/synth/truth.py`)."""

from __future__ import annotations

from pathlib import Path

from cds_service.chart.resource import Resource
from cds_service.tools.replay.episode import Step
from cds_service.tools.synth.truth import Moment, Truth, read_truth, read_truths


def truths(path: Path) -> dict[str, Truth]:
    """Patient -> what is true, of a file or of a folder; raises TruthError."""
    return {truth.patient: truth for truth in (read_truths(path) if path.is_dir() else (read_truth(path),))}


def steps_of(truth: Truth) -> tuple[Step, ...]:
    """The questions about a patient, each with what is right."""
    return tuple(map(_step, truth.at))


def _step(moment: Moment) -> Step:
    words = Resource(moment.order).concept.label
    return Step(moment.at, moment.hook, (dict(moment.order),), words, expected=moment.decisions)
