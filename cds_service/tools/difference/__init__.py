"""What differs between two versions of the knowledge: files, content, and the answers to the example patients."""

from cds_service.tools.difference.compared import Difference, compare
from cds_service.tools.difference.page import page

__all__ = ["Difference", "compare", "page"]
