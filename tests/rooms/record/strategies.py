"""Values that events may carry, for hypothesis."""

from hypothesis import strategies as st

from seawall.record.canonical_json import MAX_INTEGER

characters = st.characters(exclude_categories=["Cs"])
scalars = st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | st.text(characters, max_size=20)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(characters, max_size=8), inner, max_size=4),
    max_leaves=12,
)
#: JSON objects.
objects = st.dictionaries(st.text(characters, max_size=8), values, max_size=5)
