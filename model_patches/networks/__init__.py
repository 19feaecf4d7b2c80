"""Networks with weights, in pure PyTorch; every class takes ``device, dtype, operations``."""
