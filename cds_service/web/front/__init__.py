"""What stands between the sockets and Flask: requests are gathered, admitted or refused, and answered in time."""

from typing import Final

ANSWER_BY: Final = "anakinra-cds.answer_by"
"""In the WSGI environment: until when, by the monotonic clock, the answer must be given."""
WATCHED: Final = frozenset({"/health", "/ready", "/metrics"})
"""Paths that are asked all the time, to see whether all is well: they are answered by threads of their own, whatever
the load, and make no traces."""
