"""What an API key may be used for. Scopes do not contain each other: a key has exactly those it was given."""

from enum import StrEnum


class Scope(StrEnum):
    #: Submit content and get verdicts.
    SCREEN = "screen"
    #: Ask whether signals match, without a verdict.
    LOOKUP = "lookup"
    #: Get the signals of content.
    HASH = "hash"
    #: See past screenings, banks, policies and surfaces.
    READ = "read"
    #: Release or refuse holds.
    RESOLVE = "resolve"
    #: Change banks, policies, surfaces and keys.
    ADMIN = "admin"
