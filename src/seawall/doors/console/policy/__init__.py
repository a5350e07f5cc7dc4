"""Policy: the rules in words, one form for each, every version that was saved, and what changed between two."""
