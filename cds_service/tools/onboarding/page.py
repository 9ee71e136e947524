"""The report as one page that stands alone, in the style of the catalogue."""

from __future__ import annotations

from cds_service.tools.catalogue.render import alone
from cds_service.tools.onboarding.tally import STATES, Report


def page(report: Report) -> str:
    """HTML."""
    sections = {section.name: section for section in report.sections}
    return alone("site_report", "What the calls of a site say", {"of": report, "by": sections, "states": STATES})
