"""Requests as traces of OpenTelemetry: imported where CDS_TRACING is on, and nowhere else are its packages."""
