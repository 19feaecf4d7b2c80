"""Training and evaluation, standing alone: ``python -m training.…`` from the repository root."""
