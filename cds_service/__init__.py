"""Anakinra CDS: a CDS Hooks service whose clinical content lies in `rules/` and `cards/`."""

__version__ = "0.1.0"
