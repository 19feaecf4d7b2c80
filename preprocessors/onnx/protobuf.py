"""Protocol buffers, as far as ONNX files need them: fields one behind the other, each a number and a value.

Values are views into the data, so that a file which is mapped into memory is read no further than it is looked at.
"""

from collections import defaultdict

#: How many bytes a value has, by the lowest three bits of its key: 0 is an integer of any length, 2 says its length.
INTEGER, COUNTED, FIXED = 0, 2, {1: 8, 5: 4}
#: Of one message: a large network has some thousand nodes and weights. More are another kind of file.
MOST_FIELDS = 10**5

Message = dict[int, list[int | memoryview]]


def message(data: memoryview) -> Message:
    """All values of every field, by the field's number; a field that is not there has none.

    Raises:
        ValueError: this is no message, or it is cut short.
    """
    fields, place = defaultdict(list), 0
    for _ in range(MOST_FIELDS):
        if place == len(data):
            return fields
        key, place = _integer(data, place)
        if key & 7 == INTEGER:
            value, place = _integer(data, place)
        elif key & 7 == COUNTED or key & 7 in FIXED:
            length, place = _integer(data, place) if key & 7 == COUNTED else (FIXED[key & 7], place)
            if not 0 <= length <= len(data) - place:
                raise ValueError("a protocol buffer that is cut short")
            value, place = data[place : place + length], place + length
        else:
            raise ValueError("no protocol buffer")
        fields[key >> 3].append(value)
    raise ValueError("more fields than a network has")


def text(value: int | memoryview) -> str:
    """A value as text.

    Raises:
        ValueError: it is none.
    """
    return bytes(inside(value)).decode()


def inside(value: int | memoryview) -> memoryview:
    """A value that has a length: a message, a text, or bytes.

    Raises:
        ValueError: it is an integer.
    """
    if isinstance(value, int):
        raise ValueError("no network: a number where a part of it should be")
    return value


def integers(values: list[int | memoryview]) -> list[int]:
    """A list of integers: each a field, or all in one."""
    found = []
    for value in values:
        place, end = 0, 0 if isinstance(value, int) else len(value)
        found += [value] if isinstance(value, int) else []
        while place < end:
            number, place = _integer(value, place)
            found.append(number)
    return found


def _integer(data: memoryview, place: int) -> tuple[int, int]:
    """An integer of 64 bits with a sign, seven bits a byte, the lowest first; and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if place == len(data):
            break
        byte = data[place]
        value, place = value | (byte & 127) << shift, place + 1
        if byte < 128:
            return value - (value >> 63 << 64), place
    raise ValueError("a protocol buffer that is cut short")
