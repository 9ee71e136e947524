"""The patient's chart as typed facts, each with where it came from, when it was true, or why it is unknown."""
