"""Why a file is refused, and how its words are quoted in the reason."""

SHOWN = 60
"""Letters of a name that are shown of a file that may have megabytes of them."""


class GraphRefusedError(ValueError):
    """Bytes that no runtime is given; the message says what is wrong with them, and what was expected."""


def shown(name: str) -> str:
    """A name from a file, quoted, with what can't be seen escaped, and not too long."""
    return ascii(name if len(name) <= SHOWN else name[:SHOWN] + "…")


def size(count: float) -> str:
    """Bytes in words."""
    return f"{count / 1e9:,.3g} GB" if count >= 1e9 else f"{count / 1e6:,.3g} MB"
