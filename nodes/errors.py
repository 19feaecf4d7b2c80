"""Errors as a user meets them: the node's name, what came in, what was expected, how to get it."""

import functools
from collections.abc import Callable

from ..model_patches.errors import PatchError
from ..preprocessors.errors import ConditionError


class NodeError(ValueError):
    """A sentence that begins with the node's name."""


def name_of(node: type) -> str:
    """A node's display name."""
    return node.define_schema().display_name


def names_itself(execute: Callable) -> Callable:
    """Decorate a node's ``execute``: what it cannot do is said under the node's display name."""

    @functools.wraps(execute)
    def wrapper(cls, *args, **kwargs):
        try:
            return execute(cls, *args, **kwargs)
        except (PatchError, ConditionError) as error:
            raise NodeError(f"{name_of(cls)}: {error}") from error

    return wrapper
