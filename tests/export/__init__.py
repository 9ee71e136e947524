"""Tests of the knowledge as FHIR: valid, whole, and with the meaning of the files it was made from."""
