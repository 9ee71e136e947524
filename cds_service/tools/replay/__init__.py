"""Replay: put the charts of FHIR bundles to the service as a CDS client would, and report its answers."""
