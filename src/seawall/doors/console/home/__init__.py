"""Home: is screening up, what protects this platform tonight, what needs a person now."""
