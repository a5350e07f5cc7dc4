"""Try it: what would happen to a file, text or address, and why; nothing is recorded, kept or sent."""
