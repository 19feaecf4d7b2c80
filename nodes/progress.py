"""Progress a user sees, and can stop."""

from collections.abc import Callable

import comfy.model_management
import comfy.utils


def per_picture(total: int) -> Callable[[], None]:
    """A function to call after each of ``total`` pictures; it raises when the user has interrupted."""
    bar = comfy.utils.ProgressBar(total)

    def step() -> None:
        bar.update(1)
        comfy.model_management.throw_exception_if_processing_interrupted()

    return step
