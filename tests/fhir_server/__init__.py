"""The FHIR server as second source of charts: good ones, bad ones, a real one."""
