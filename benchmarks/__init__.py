"""Measurements of the service: its speed beside that of a bare Flask view, and its steadiness over many calls."""
