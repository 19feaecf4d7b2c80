"""The published HigherHRNet files: our names, which are the official code's, for theirs."""

#: Before mmpose's keys, and before those of a network that was saved as it was trained: on several devices, or with
#: layers around it that turn its input to half precision.
_AROUND = ("backbone.", "keypoint_head.", "module.", "1.")


def our_name(key: str) -> str:
    """Where a published key goes in our file; a key of no known part stays as it is."""
    while around := next((prefix for prefix in _AROUND if key.startswith(prefix)), ""):
        key = key.removeprefix(around)
    return key
