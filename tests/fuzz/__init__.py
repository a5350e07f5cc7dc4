"""Mutation fuzzing of every parser that reads what strangers send or what a disk may have damaged.

    python -m tests.fuzz --seconds N [--seed S] [--target NAME]

Each target runs in a process of its own, so that a crash is seen for what it is. A failure prints the seed and keeps
the input; `python -m tests.fuzz --target NAME --input FILE` tries that one input again.
"""
