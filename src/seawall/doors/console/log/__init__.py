"""The log: what happened here, in words, newest first, and a button that proves it is what was written."""
