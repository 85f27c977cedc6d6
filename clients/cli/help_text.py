"""The examples at the end of each command's help."""

EXAMPLE_TASK = "4f1e0c6b7a5d4c3b2a1908f7e6d5c4b3"


def examples(*lines: str) -> str:
    """Return the epilog of a command or a group.

    Args:
        lines: complete command lines that begin with `hulak`, or with variables before it; at least one.
    """
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
