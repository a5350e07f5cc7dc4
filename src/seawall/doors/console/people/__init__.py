"""People: who may look, decide and configure here, and how each of them comes in."""
