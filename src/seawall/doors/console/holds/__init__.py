"""Holds: what waits for a person, why it was stopped, and the decision, which can be undone for ten seconds."""
