"""Health: what the doctor says, how fresh the index is, and what leaves this machine."""
