"""What patched attention attends to: one file a method."""

from .base import Condition, Immutable, SourceCondition, TokenCondition
from .mcld import MFCACondition
from .reference import ReferenceCondition
from .truepose import CAACondition, Fusion, HPFACondition, fit_width

__all__ = [
    "CAACondition",
    "Condition",
    "Fusion",
    "HPFACondition",
    "Immutable",
    "MFCACondition",
    "ReferenceCondition",
    "SourceCondition",
    "TokenCondition",
    "fit_width",
]
