"""Seawall beside its peers: the same work, the same data, in turn, in one run.

    python -m benchmarks NAME|all --size tiny|small|full

In: a row's name and a size. Out: a JSON file and a Markdown table in `benchmarks/results/`, and the table on the
screen: each figure with its spread, each ratio with its goal, met or missed. Never: a test that fails by time, a figure
without its peer's, or a peer's answers taken on trust: every run checks that all subjects found the same.
"""
