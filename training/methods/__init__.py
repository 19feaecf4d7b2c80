"""The methods that can be trained, by the name recipes call them."""

from .autoencoder import Autoencoder
from .base import Method
from .mcld import MCLD
from .truepose import TruePose

METHODS: dict[str, type[Method]] = {method.name: method for method in (Autoencoder, MCLD, TruePose)}
