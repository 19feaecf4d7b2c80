"""What ``python -m training.preprocess`` does: steps that compute, units of work, and who does them."""
