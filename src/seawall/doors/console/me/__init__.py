"""My account: how I sign in, what I am called, and when mail comes."""
