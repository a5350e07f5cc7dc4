"""Surfaces: the places where people publish, and what happens there when something is held or cannot be screened."""
