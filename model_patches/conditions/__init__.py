"""What patched attention attends to: one file a method."""

from .base import Condition, Immutable, Memory, Query, SourceCondition, TokenCondition
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
    "Memory",
    "Query",
    "ReferenceCondition",
    "SourceCondition",
    "TokenCondition",
    "fit_width",
]
