"""The workbench: a page on which people try the service on a patient, and read why it answers as it does."""
