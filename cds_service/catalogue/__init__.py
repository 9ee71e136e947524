"""The knowledge files as browsable pages for reviewers: one set of HTML, written to a folder or served."""

from cds_service.catalogue.links import INDEX, FilePlaces, Places, UrlPlaces
from cds_service.catalogue.render import CONTENT_SECURITY_POLICY, GENERATOR, not_found, render

__all__ = [
    "CONTENT_SECURITY_POLICY",
    "GENERATOR",
    "INDEX",
    "FilePlaces",
    "Places",
    "UrlPlaces",
    "not_found",
    "render",
]
