"""The methods that can be trained, by the name recipes call them."""

from .autoencoder import Autoencoder
from .base import Method
from .estimator import Estimator
from .imagpose import IMAGPose
from .mcld import MCLD
from .pcdms_inpainting import PCDMsInpainting
from .pcdms_prior import PCDMsPrior
from .pcdms_refining import PCDMsRefining
from .reposedm import RePoseDM
from .reposesd import RePoseSD
from .truepose import TruePose

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        Autoencoder,
        Estimator,
        IMAGPose,
        MCLD,
        PCDMsInpainting,
        PCDMsPrior,
        PCDMsRefining,
        RePoseDM,
        RePoseSD,
        TruePose,
    )
}
