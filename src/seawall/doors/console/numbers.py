"""Large numbers as people read them."""


def number(count: int) -> str:
    """With a narrow space between thousands, which every language can read."""
    return f"{count:,}".replace(",", "\u202f")
