from seawall.members import Scope


def test_the_scopes_are_those_that_keys_in_the_field_carry() -> None:
    """Stored in tables, events and gate states: a value may be added, never renamed."""
    assert [scope.value for scope in Scope] == ["screen", "lookup", "hash", "read", "resolve", "admin"]
