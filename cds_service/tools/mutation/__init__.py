"""Rules with one criterion changed, and whether a case of the rule notices: how the cases themselves are tested."""
