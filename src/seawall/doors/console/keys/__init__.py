"""Keys: what programs show to be let in. Made here, shown once, revoked here."""
