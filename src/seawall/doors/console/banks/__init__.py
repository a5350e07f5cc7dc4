"""Banks: what is listed, what a match with it does, and everything people do with banks and their signals."""
