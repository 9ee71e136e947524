"""The knowledge files as browsable pages for reviewers: one set of HTML, written to a folder or served, and one page of
Markdown that stands in the repository."""

from cds_service.tools.catalogue.links import INDEX, FilePlaces, Places, UrlPlaces
from cds_service.tools.catalogue.markdown import markdown
from cds_service.tools.catalogue.render import CONTENT_SECURITY_POLICY, GENERATOR, data, not_found, render

__all__ = [
    "CONTENT_SECURITY_POLICY",
    "GENERATOR",
    "INDEX",
    "FilePlaces",
    "Places",
    "UrlPlaces",
    "data",
    "markdown",
    "not_found",
    "render",
]
