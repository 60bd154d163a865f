"""Decodes PNG files, still or animated, with the standard library only, and complains about what the PNG
specification (third edition) does not allow. It shares no code with plot.h.

    python3 tests/read_png.py FILE...            "FILE: WIDTH x HEIGHT, FRAMES frames, MILLISECONDS ms" for each
    python3 tests/read_png.py -x FOLDER FILE     also writes every frame as a PNG of its own

Only with -x are filters undone, which cannot fail and takes its time.
"""
import struct
import sys
import zlib

CHANNELS = {0: 1, 2: 3, 6: 4}


def chunks_of(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n", "signature"
    at = 8
    while at < len(data):
        assert len(data) - at >= 12, "a chunk is cut off"
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        assert size <= len(data) - at - 12, "a chunk is cut off"
        body = data[at + 8 : at + 8 + size]
        (crc,) = struct.unpack(">I", data[at + 8 + size : at + 12 + size])
        assert crc == zlib.crc32(kind + body), "CRC of " + kind.decode()
        yield kind, body
        at += 12 + size


def paeth(a, b, c):
    p = a + b - c
    return min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]


def rows_of(stream, width, height, bpp, whole):
    """The rows of a zlib stream; if `whole`, without their filters."""
    inflater = zlib.decompressobj()
    raw = inflater.decompress(stream) + inflater.flush()
    assert inflater.eof and not inflater.unused_data, "end of the zlib stream"
    n = width * bpp
    assert len(raw) == height * (n + 1), "%d bytes of rows, %d expected" % (len(raw), height * (n + 1))
    rows, above = [], bytes(n)
    for y in range(height):
        kind, row = raw[y * (n + 1)], bytearray(raw[y * (n + 1) + 1 : (y + 1) * (n + 1)])
        assert kind <= 4, "filter"
        for i in range(n) if kind and whole else ():
            a, b, c = (row[i - bpp] if i >= bpp else 0), above[i], (above[i - bpp] if i >= bpp else 0)
            guess = (a, b, (a + b) // 2, paeth(a, b, c))[kind - 1]
            row[i] = (row[i] + guess) & 255
        rows.append(bytes(row))
        above = row
    return rows


def decode(data, whole=True):
    """(width, height, channels, frames): each frame (milliseconds, rows) of the whole canvas."""
    chunks = list(chunks_of(data))
    kinds = [kind for kind, _ in chunks]
    assert kinds[0] == b"IHDR" and kinds[-1] == b"IEND" and chunks[-1][1] == b"", "IHDR first, IEND last"
    assert kinds.count(b"IHDR") == 1 and kinds.count(b"IEND") == 1 and b"IDAT" in kinds, "one of each"
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
    assert width and height and depth == 8 and colour in CHANNELS and rest == [0, 0, 0], "IHDR"
    bpp = CHANNELS[colour]
    if b"acTL" not in kinds:
        assert b"fcTL" not in kinds and b"fdAT" not in kinds, "frames without acTL"
        stream = b"".join(body for kind, body in chunks if kind == b"IDAT")
        return width, height, bpp, [(0, rows_of(stream, width, height, bpp, whole))]
    assert kinds.count(b"acTL") == 1 and kinds.index(b"acTL") < kinds.index(b"IDAT"), "acTL before IDAT"
    promised, _plays = struct.unpack(">II", chunks[kinds.index(b"acTL")][1])
    parts, number = [], 0  # (fcTL, data) of each frame
    for kind, body in chunks:
        if kind in (b"fcTL", b"fdAT"):
            assert struct.unpack(">I", body[:4])[0] == number, "sequence number %d" % number
            number += 1
        if kind == b"fcTL":
            assert len(body) == 26, "size of fcTL"
            parts.append([body, b""])
        if kind == b"IDAT":
            assert len(parts) == 1, "IDAT is the first frame"
            parts[0][1] += body
        if kind == b"fdAT":
            assert len(parts) > 1, "fdAT after its fcTL"
            parts[-1][1] += body[4:]
    assert len(parts) == promised, "%d frames promised, %d found" % (promised, len(parts))
    canvas, frames = [bytes(width * bpp)] * height, []
    for k, (control, stream) in enumerate(parts):
        _, w, h, x, y, num, den, dispose, blend = struct.unpack(">IIIIIHHBB", control)
        assert w and h and x + w <= width and y + h <= height, "frame inside the canvas"
        assert k or (w, h, x, y) == (width, height, 0, 0), "the first frame is the whole canvas"
        assert dispose == 0 and blend == 0, "no other dispose and blend operation is used here"
        canvas = list(canvas)
        for j, row in enumerate(rows_of(stream, w, h, bpp, whole)):
            old = canvas[y + j]
            canvas[y + j] = old[: x * bpp] + row + old[(x + w) * bpp :]
        frames.append((1000 * num // (den or 100), canvas))
    return width, height, bpp, frames


def encode(width, height, bpp, rows):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    colour = {1: 0, 3: 2, 4: 6}[bpp]
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows), 1))
        + chunk(b"IEND", b"")
    )


def main(arguments):
    folder = None
    if arguments[:1] == ["-x"]:
        folder, arguments = arguments[1], arguments[2:]
    for path in arguments:
        try:
            with open(path, "rb") as file:
                width, height, bpp, frames = decode(file.read(), folder is not None)
        except (AssertionError, ValueError, struct.error, zlib.error) as error:
            print("%s: %s" % (path, error))
            return 1
        total = sum(milliseconds for milliseconds, _ in frames)
        print("%s: %d x %d, %d frames, %d ms" % (path, width, height, len(frames), total))
        for k, (_, rows) in enumerate(frames if folder else ()):
            with open("%s/frame%03d.png" % (folder, k), "wb") as file:
                file.write(encode(width, height, bpp, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
