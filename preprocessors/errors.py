"""The one exception of this package: a sentence the user can act on."""


class ConditionError(ValueError):
    """What came in, what was expected and how to get it."""
