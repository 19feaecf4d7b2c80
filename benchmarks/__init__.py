"""Speed and memory as ratios of interleaved runs; ``python dev.py bench NAME``."""
