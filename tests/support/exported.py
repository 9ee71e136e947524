"""The FHIR export as whoever reads its files gets it."""

from __future__ import annotations

import json
from typing import Any

from cds_service.knowledge import Knowledge
from cds_service.tools.export import checked, text

Resources = dict[str, dict[str, Any]]


def exported(knowledge: Knowledge) -> Resources:
    """`<Type>/<id>` -> the resource."""
    return {f"{each['resourceType']}/{each['id']}": json.loads(text(each)) for each in checked(knowledge)}
