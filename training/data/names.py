"""Names of records: letters of any script, digits, ``_`` and ``-``, and no two alike.

They name files in stores and in folders of results, on systems that do not tell capitals apart as well.
"""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Mapping

#: Bytes of the longest name: those of a pair, ``a_to_b.png``, are one file's, which has 255 at most.
MOST_BYTES = 120
#: Hexadecimal digits that tell names apart which would be one: of 2⁶⁴ different ones.
DIGITS = 16


def is_name(text: str) -> bool:
    """Whether a text can name a record as it is."""
    return bool(text) and text == _readable(text)


def distinct_names(texts: Mapping[str, str]) -> dict[str, str]:
    """Names for pictures: as much of each one's text as a name can hold.

    Where two would have one name, or a text has nothing that a name can hold or is too long, a number made of the
    picture's key is added: whatever the order, the same picture has the same name.

    Args:
        texts: what to name each by, under keys that differ, such as the files' places.
    """
    names = {key: _readable(text) for key, text in texts.items()}
    alike = Counter(name.casefold() for name in names.values())
    return {key: _told_apart(name, key, alike[name.casefold()] > 1) for key, name in names.items()}


def _told_apart(name: str, key: str, needed: bool) -> str:
    """The name, where it is alone and short enough; else its beginning and a number."""
    if name and not needed and len(name.encode()) <= MOST_BYTES:
        return name
    number = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:DIGITS]
    begin = name.encode()[: MOST_BYTES - DIGITS - 1].decode(errors="ignore")
    return f"{begin}-{number}" if begin else number


def _readable(text: str) -> str:
    """What of a text a name can hold, in the composed form of its letters; runs of anything else are one ``-``."""
    composed = unicodedata.normalize("NFC", text)
    return "-".join("".join(character if _stays(character) else " " for character in composed).split())


def _stays(character: str) -> bool:
    # Vowel signs of Indic scripts and Arabic's points are marks, not letters.
    return character in "_-" or character.isalnum() or unicodedata.category(character).startswith("M")
