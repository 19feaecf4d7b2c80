"""The two ways in which papers of this field measure similarity; their figures are not comparable.

``cfld`` is CFLD's code, which MCLD uses; ``pidm`` is the PIDM lineage's, which PCDMs use.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Protocol:
    """What a family of papers does where the definition of a metric leaves a choice.

    Attributes:
        name: what tables call it.
        sigma: of the Gaussian window of "SSIM-256", in pixels.
        lpips_signed: whether LPIPS sees pictures in −1…1, as it was trained, or in 0…1.
        lpips_batch, inception_batch: pictures beyond the last full batch of so many are not counted; 0 counts all.
        resampling: how results of another size than the truth's are brought to it.
    """

    name: str
    sigma: float
    lpips_signed: bool
    lpips_batch: int
    inception_batch: int
    resampling: Literal["antialiased bicubic", "OpenCV's bicubic"]

    def describe(self) -> str:
        """One line for tables."""
        seen = "−1…1" if self.lpips_signed else "0…1, not normalised"
        dropped = f", in full batches of {self.lpips_batch}" if self.lpips_batch else ""
        return f"SSIM-256 with σ = {self.sigma}; LPIPS (AlexNet) of pictures in {seen}{dropped}; {self.resampling}"


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("cfld", 1.5, True, 0, 0, "antialiased bicubic"),
        Protocol("pidm", 1.2, False, 64, 128, "OpenCV's bicubic"),
    )
}


def counted(pictures: int, batch: int) -> int:
    """How many of so many pictures are counted in full batches; fewer than one batch are a batch of their own."""
    return pictures if batch == 0 or pictures <= batch else pictures - pictures % batch
