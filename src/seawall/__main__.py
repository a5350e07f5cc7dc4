"""`python -m seawall`, and the console script `seawall`."""

from seawall.doors.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
