"""Tests of what charts mean: facts and decisions, against the clinical dossier and the public contract."""
