"""The two ways in which papers of this field measure similarity; their figures are not comparable.

``cfld`` is CFLD's code, which MCLD uses; ``pidm`` is the PIDM lineage's, which PCDMs use.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Protocol:
    """What a family of papers does where the definition of SSIM leaves a choice.

    Attributes:
        name: what tables call it.
        sigma: of the Gaussian window of "SSIM-256", in pixels.
    """

    name: str
    sigma: float


PROTOCOLS = {protocol.name: protocol for protocol in (Protocol("cfld", 1.5), Protocol("pidm", 1.2))}
