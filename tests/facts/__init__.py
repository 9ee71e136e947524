"""Tests of what charts mean: facts and decisions, against the clinical policy and the public contract."""
