"""Lets ``import torchvision`` succeed beside a torch build that cannot load its compiled operators.

On a machine without a GPU the two may be of different builds, and transformers and diffusers import torchvision.
Nothing here computes with its operators: that they are declared is enough. Where it has its own, nothing is done.

Standard library only, and nothing of ours: :mod:`devtools.environment` copies this file into its environments and has
:func:`install` called whenever a Python starts there, so that the workers of Ray and of a training are reached as well.
"""

import sys

#: torchvision's first module that asks for operators; its compiled ones have been tried by then.
ASKS = "torchvision._meta_registrations"
#: Those it cannot be imported without.
OPERATORS = {name: f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor" for name in ("nms", "qnms")}


class Declarations:
    """A finder that finds nothing: it declares what is missing when torchvision is about to ask for it."""

    #: A declaration lives as long as this object does.
    library = None

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        """As Python's import calls it."""
        if name == ASKS:
            cls.declare()

    @classmethod
    def declare(cls):
        """Declare the operators that torch does not know."""
        import torch

        missing = [schema for name, schema in OPERATORS.items() if not hasattr(torch.ops.torchvision, name)]
        if missing:
            cls.library = torch.library.Library("torchvision", "FRAGMENT")
            for schema in missing:
                cls.library.define(schema)


def install() -> None:
    """Have them declared when this process asks for them. A second call or a second copy of this file adds nothing."""
    if Declarations not in sys.meta_path:
        sys.meta_path.insert(0, Declarations)
