"""The one exception of this package: a sentence the user can act on, and what another library said of its own."""


class ConditionError(ValueError):
    """What came in, what was expected and how to get it."""


def reason(error: Exception) -> str:
    """The first line of what a library said, or the error's name where it said nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
