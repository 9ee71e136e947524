"""One patient's FHIR resources, read from prefetch: raw, indexed by meaning, validated only where they are used."""
