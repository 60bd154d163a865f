"""Reads the event files of a folder as TensorBoard does, with the standard library only: framing, checksums,
messages, pictures. It shares no code with tfevents.h.

    python3 tests/read_tfevents.py FOLDER      a line "TAG STEP VALUE" or "TAG STEP WIDTH x HEIGHT" for each
                                               value that is left, by tag and step, or what is wrong, and 1
"""
import os
import struct
import sys
import zlib

import read_png

TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)


def masked_crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records_of(data):
    at = 0
    while at < len(data):
        assert len(data) - at >= 16, "a record is cut off"
        size, crc = struct.unpack("<QI", data[at : at + 12])
        assert crc == masked_crc32c(data[at : at + 8]), "CRC of a length"
        assert size <= len(data) - at - 16, "a record is cut off"
        body = data[at + 12 : at + 12 + size]
        (crc,) = struct.unpack("<I", data[at + 12 + size : at + 16 + size])
        assert crc == masked_crc32c(body), "CRC of data"
        yield body
        at += 16 + size


def fields_of(data):
    """A message as {field number: value}; each number here occurs once."""
    fields, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            value |= (data[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 128:
                return value

    while at < len(data):
        key = varint()
        number, wire = key >> 3, key & 7
        if wire == 0:
            value = varint()
        elif wire == 1:
            (value,), at = struct.unpack("<d", data[at : at + 8]), at + 8
        elif wire == 2:
            size = varint()
            value, at = data[at : at + size], at + size
            assert len(value) == size, "a message is cut off"
        else:
            assert wire == 5, "wire type"
            (value,), at = struct.unpack("<f", data[at : at + 4]), at + 4
        assert number not in fields, "field %d twice" % number
        fields[number] = value
    return fields


def shown(value):
    if 2 in value:
        return "%.6g" % value[2]
    image = fields_of(value[4])
    assert image[3] == 3, "colour space"
    width, height, channels, frames = read_png.decode(image[4], whole=False)
    assert (height, width) == (image[1], image[2]) and channels == 3 and len(frames) == 1, "size of a picture"
    return "%d x %d" % (width, height)


def read_folder(folder):
    values = {}  # (tag, step): text
    names = sorted(name for name in os.listdir(folder) if "tfevents" in name)
    assert names, "event files expected, none found"
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            events = [fields_of(body) for body in records_of(file.read())]
        assert events and events[0].get(3) == b"brain.Event:2", name + ": version"
        before = 0
        for event in events:
            step = event.get(2, 0)
            assert event[1] > 1.6e9 and event[1] >= before, name + ": time"
            before = event[1]
            if 7 in event:
                assert fields_of(event[7]) == {1: 1}, name + ": START expected"
                values = {key: text for key, text in values.items() if key[1] < step}
            if 5 in event:
                value = fields_of(fields_of(event[5])[1])
                key = (value[1].decode(), step)
                assert key not in values, "%s: %s of step %d twice" % (name, *key)
                values[key] = shown(value)
    return values


if __name__ == "__main__":
    try:
        for (tag, step), text in sorted(read_folder(sys.argv[1]).items()):
            print(tag, step, text)
    except (AssertionError, LookupError, ValueError, struct.error, zlib.error) as error:
        sys.exit("%s: %s" % (sys.argv[1], error))
