"""The uploader's page: who holds the link of a verdict learns why, and can ask for a person, without an account."""
