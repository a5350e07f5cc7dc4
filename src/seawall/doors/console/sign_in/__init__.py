"""Signing in: django-allauth's flows on our own pages; nobody signs up."""
