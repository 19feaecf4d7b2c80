"""Honest figures: every table names the protocol it was made by."""
