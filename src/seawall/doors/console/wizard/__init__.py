"""The first evening: from a one-time link to a protected platform, in a few steps that can be left and gone on with."""
