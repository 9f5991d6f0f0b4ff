# SPDX-License-Identifier: Apache-2.0
"""Files of other containers than MP4, of a few kilobytes, that claim tables, packets and streams without end."""

import struct
import zlib


def le(*values):
    return struct.pack(f"<{len(values)}I", *values)


def be(*values):
    return struct.pack(f">{len(values)}I", *values)


def element(kind, *parts, size=None):
    """An element of Matroska, whose size is told in eight bytes."""
    body = b"".join(parts)
    return bytes.fromhex(kind) + struct.pack(">Q", 1 << 56 | (len(body) if size is None else size)) + body


def number(kind, value):
    return element(kind, struct.pack(">Q", value))


EBML = element("1A45DFA3", element("4282", b"matroska"), number("4287", 4), number("4285", 2))
INFO = element("1549A966", number("2AD7B1", 1_000_000))


def mkv_track(n=1, extra=b"", codec=b"V_MPEG4/ISO/ASP"):
    return element(
        "AE",
        number("D7", n),
        number("73C5", n),
        number("83", 1),
        element("86", codec),
        element("E0", number("B0", 64), number("BA", 48)),
        extra,
    )


def matroska(*parts, tracks=None, packets=b"\x81\0\0\x80" + bytes(64)):
    cluster = element("1F43B675", number("E7", 0), element("A3", packets))
    return EBML + element("18538067", INFO, element("1654AE6B", tracks or mkv_track()), *parts, cluster)


def matroskas():
    lie = 0xFFFFFFFFFFF
    cue = element("BB", number("B3", 1), element("B7", number("F7", 1), number("F1", 1)))
    yield "cues", matroska(element("1C53BB6B", cue * 30_000))
    falling = b"".join(
        element("BB", number("B3", 60_000 - i), element("B7", number("F7", 1), number("F1", i))) for i in range(60_000)
    )
    yield "cues_falling", matroska(element("1C53BB6B", falling))
    yield "cues_size", matroska(element("1C53BB6B", cue, size=lie))
    yield (
        "cue_positions",
        matroska(
            element(
                "1C53BB6B", element("BB", number("B3", 1), element("B7", number("F7", 1), number("F1", 1)) * 30_000)
            )
        ),
    )
    tag = element("67C8", element("45A3", b"T"), element("4487", b"x"))
    yield "tags", matroska(element("1254C367", element("7373", tag * 20_000)))
    nested = b""
    for _ in range(3000):
        nested = element("67C8", element("45A3", b"T"), nested)
    yield "tags_nested", matroska(element("1254C367", element("7373", nested)))
    for size in (0x3FFFFFFF, 0x0FFFFFF0, 0x7FFFFFFF, lie):
        data = element("465C", bytes(64), size=size)
        file = element("466E", b"x"), element("4660", b"font/ttf"), number("46AE", 1)
        yield f"attachment_{size:x}", matroska(element("1941A469", element("61A7", *file, data)))
        yield f"private_{size:x}", matroska(tracks=mkv_track(extra=element("63A2", bytes(64), size=size)))
        yield f"void_{size:x}", matroska(element("EC", bytes(64), size=size))
        yield (
            f"block_{size:x}",
            EBML
            + element(
                "18538067",
                INFO,
                element("1654AE6B", mkv_track()),
                element("1F43B675", number("E7", 0), element("A3", b"\x81\0\0\x80" + bytes(64), size=size)),
            ),
        )
    file = element("61A7", *file, element("465C", b"x"))
    yield "attachments", matroska(element("1941A469", file * 20_000))
    yield "tracks", matroska(tracks=b"".join(map(mkv_track, range(1, 2000))))
    chapter = element("B6", number("73C4", 1), number("91", 0), element("80", element("85", b"c")))
    yield "chapters", matroska(element("1043A770", element("45B9", chapter * 10_000)))
    seek = element("4DBB", element("53AB", bytes.fromhex("114D9B74")), number("53AC", 0))
    yield (
        "seek_head_to_itself",
        EBML + element("18538067", element("114D9B74", seek * 2000), INFO, element("1654AE6B", mkv_track())),
    )
    yield "lacing", matroska(packets=b"\x81\0\0\x86\xff" + b"\x80" * 255)
    yield (
        "lacing_of_nothing",
        matroska(*[element("1F43B675", number("E7", 0), element("A3", b"\x81\0\0\x84\xff" + bytes(255)) * 300)] * 20),
    )
    groups = element(
        "A0",
        element("A1", b"\x81\0\0\0" + bytes(8)),
        element("75A1", element("A6", number("EE", 1), element("A5", b"x")) * 50),
    )
    yield "block_additions", matroska(*[element("1F43B675", number("E7", 0), groups * 20)] * 10)
    zipped = element("6D80", element("6240", number("5031", 0), element("5034", number("4254", 0))))
    bomb = zlib.compress(bytes(9_000_000), 9)
    yield "compressed_packets", matroska(tracks=mkv_track(extra=zipped), packets=b"\x81\0\0\x80" + bomb)
    yield (
        "compressed_private",
        matroska(tracks=b"".join(mkv_track(n + 1, extra=zipped + element("63A2", bomb)) for n in range(60))),
    )
    yield "unknown_sizes", EBML + (bytes.fromhex("1853806701FFFFFFFFFFFFFF1F43B67501FFFFFFFFFFFFFF") * 3000)


def chunk(kind, *parts, size=None):
    body = b"".join(parts)
    return kind + le(len(body) if size is None else size) + body + bytes(len(body) % 2)


def avi(*parts, streams=1, strl=b"", frames=2, size=None):
    strh = chunk(b"strh", b"vidsFMP4", le(0, 0, 0, 1, 25, 0, frames, 0, 0, 0), bytes(8))
    strf = chunk(b"strf", le(40, 64, 48, 1 | 24 << 16), b"FMP4", bytes(20), size=size)
    lists = [chunk(b"LIST", b"strl", strh, strf, strl)] * streams
    avih = chunk(b"avih", le(40_000, 0, 0, 16, frames, 0, streams, 0, 64, 48, 0, 0, 0, 0))
    return chunk(b"RIFF", b"AVI ", chunk(b"LIST", b"hdrl", avih, *lists), *parts)


def avis():
    movi = chunk(b"LIST", b"movi", chunk(b"00dc", bytes(64)))
    entry = b"00dc" + le(16, 4, 64)
    yield "idx1_size", avi(movi, chunk(b"idx1", entry, size=0x7FFFFFF0))
    yield "idx1_entries", avi(movi, chunk(b"idx1", entry * 60_000))
    falling = b"".join(b"00dc" + le(16, 4 * i, 64) for i in range(60_000, 0, -1))
    yield "idx1_falling", avi(movi, chunk(b"idx1", falling))
    for kind in (0, 1):
        head = struct.pack("<HBB", 2 if kind else 4, 0, kind)
        indx = chunk(b"indx", head, le(0x7FFFFFFF), b"00dc", bytes(12), le(0, 0, 64, 1) * 8)
        yield f"indx_count_{kind}", avi(movi, strl=indx)
        yield f"indx_count_{kind}_64_streams", avi(movi, strl=indx, streams=64)
    # An index whose entries lead to itself: 212 is where it begins.
    entries = struct.pack("<QII", 212, 64, 1) * 500
    own = chunk(b"indx", struct.pack("<HBB", 4, 0, 0), le(500), b"00dc", bytes(12), entries)
    yield "indx_to_itself", avi(movi, strl=own)
    yield "strf_size", avi(movi, size=0x3FFFFFFF)
    yield "frame_size", avi(chunk(b"LIST", b"movi", chunk(b"00dc", bytes(64), size=0x7FFFFFF0)))
    yield "empty_frames", avi(chunk(b"LIST", b"movi", chunk(b"00dc") * 30_000))
    yield "frames_claimed", avi(movi, frames=0xFFFFFFFF)
    yield "streams", avi(movi, streams=2000)
    yield "info", avi(chunk(b"LIST", b"INFO", chunk(b"INAM", b"x") * 20_000), movi)
    yield "tag_size", avi(chunk(b"LIST", b"INFO", chunk(b"INAM", b"x", size=0x7FFFFFF0)), movi)


def guid(text):
    a, b, c, d, e = text.split("-")
    return struct.pack("<IHH", int(a, 16), int(b, 16), int(c, 16)) + bytes.fromhex(d + e)


HEADER = guid("75B22630-668E-11CF-A6D9-00AA0062CE6C")
VIDEO = guid("BC19EFC0-5B4D-11CF-A8FD-00805F5C442B")
MORE = guid("5FBF03B5-A92E-11CF-8EE3-00C00C205365")


def thing(kind, *parts, size=None):
    body = b"".join(parts)
    return kind + struct.pack("<Q", 24 + len(body) if size is None else size) + body


def asf(*parts, streams=1, extra=0):
    file = thing(
        guid("8CABDCA1-A947-11CF-8EE4-00C00C205365"),
        bytes(16),
        struct.pack("<QQQQQQ", 9999, 0, 2, 9, 9, 0),
        le(0, 3200, 3200, 999),
    )
    picture = le(64, 48) + b"\2" + struct.pack("<H", 40) + le(40 + extra, 64, 48, 1 | 24 << 16) + b"FMP4" + bytes(20)
    lists = (
        thing(
            guid("B7DC0791-A9B7-11CF-8EE6-00C00C205365"),
            VIDEO,
            bytes(16),
            bytes(8),
            le(len(picture), 0),
            struct.pack("<HI", n + 1, 0),
            picture,
        )
        for n in range(streams)
    )
    data = thing(guid("75B22636-668E-11CF-A6D9-00AA0062CE6C"), bytes(16), struct.pack("<QH", 2, 0x101), bytes(6400))
    inner = (file, *lists)
    head, tail = [p for p in parts if p[:16] != INDEX], [p for p in parts if p[:16] == INDEX]
    return thing(HEADER, le(len(inner) + len(head)), b"\1\2", *inner, *head) + data + b"".join(tail)


INDEX = guid("33000890-E5B1-11CF-89F4-00A0C90349CB")


def asfs():
    words = "metadata".encode("utf-16-le")
    record = struct.pack("<HHHHI", 0, 1, len(words), 0, 8) + words + bytes(8)
    many = guid("C5F8CBEA-5BAF-4877-8467-AA8C44FA4CCA")
    library = guid("44231C94-9498-49D1-A141-1D134E457054")
    for name, kind in (("metadata", many), ("library", library)):
        yield name, asf(thing(MORE, bytes(18), le(99), thing(kind, struct.pack("<H", 0xFFFF), record * 5000)))
    value = struct.pack("<HHHHI", 0, 1, len(words), 1, 0x3FFFFFFF) + words
    yield "metadata_size", asf(thing(MORE, bytes(18), le(99), thing(library, struct.pack("<H", 9), value)))
    yield "index_count", asf(thing(INDEX, bytes(16), struct.pack("<Q", 1), le(9, 0x7FFFFFFF), bytes(600)))
    yield "index_interval", asf(thing(INDEX, bytes(16), struct.pack("<Q", 0), le(9, 0xFFFFFFFF), bytes(600)))
    yield "extradata", asf(extra=0x3FFFFFFF)
    yield "streams", asf(streams=127)
    yield "object_size", asf(thing(MORE, bytes(18), size=0x7FFFFFFFFFFFFFFF))
    marker = thing(guid("F487CD01-A951-11CF-8EE6-00C00C205365"), bytes(16), le(0x7FFFFFFF), bytes(400))
    yield "markers", asf(marker)


def section(table, body):
    data = struct.pack(">BH", table, 0xB000 | len(body) + 9) + b"\0\1\xc1\0\0" + body
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return data + be(crc)


def ts_packets(pid, payload):
    payload = b"\0" + payload
    for i in range(0, len(payload), 184):
        start = 0x4000 if i == 0 else 0
        yield b"\x47" + struct.pack(">HB", start | pid, 0x10 | i // 184 % 16) + payload[i : i + 184].ljust(184, b"\xff")


def transport(programs, streams):
    """Programs of `streams` each, every stream on a PID of its own."""
    packets = []
    numbers = [(n + 1, 32 + n) for n in range(programs)]
    for i in range(0, programs, 200):
        body = b"".join(struct.pack(">HH", n, 0xE000 | pid) for n, pid in numbers[i : i + 200])
        packets += ts_packets(0, section(0, body))
    for n, pid in numbers:
        body = struct.pack(">HH", 0xE100, 0xF000) + b"".join(
            struct.pack(">BHH", 0x1B, 0xE000 | (4096 + n * streams + s) % 8191, 0xF000) for s in range(streams)
        )
        packets += ts_packets(pid, section(2, body))
    return b"".join(packets)


def streams():
    yield "ts_programs", transport(1500, 1)
    yield "ts_streams", transport(20, 190)
    yield "ts_one_program", transport(1, 190)
    null = b"\x47\x1f\xff\x10" + bytes(184)
    yield "ts_nothing", null * 2000
    yield (
        "ts_every_pid",
        b"".join(
            b"\x47" + struct.pack(">HB", 0x4000 | pid, 0x10) + b"\0\0\1\xe0\0\0\x80\0\0" + bytes(175)
            for pid in range(32, 4000)
        ),
    )
    yield (
        "ps_streams",
        b"".join(
            b"\0\0\1\xba\x44" + bytes(8) + b"\xf8\0\0\1" + bytes([0xC0 + n % 64]) + b"\0\x10\x80" + bytes(15)
            for n in range(5000)
        ),
    )


def amf(name, kind, body=b""):
    return struct.pack(">H", len(name)) + name + kind + body


def flv(*fields):
    body = b"\2\0\x0aonMetaData\x08" + be(1) + b"".join(fields) + b"\0\0\x09"
    tag = b"\x12" + struct.pack(">I", len(body))[1:] + bytes(7) + body
    frame = b"\x09\0\0\x40" + bytes(7) + b"\x12" + bytes(63)
    return b"FLV\1\1\0\0\0\x09\0\0\0\0" + tag + be(len(tag)) + (frame + be(len(frame))) * 4


def flvs():
    times = amf(b"times", b"\x0a", be(0x0FFFFFFF) + (b"\0" + bytes(8)) * 100)
    places = amf(b"filepositions", b"\x0a", be(0x0FFFFFFF) + (b"\0" + bytes(8)) * 100)
    yield "keyframes", flv(amf(b"keyframes", b"\3", times + places + b"\0\0\x09"))
    yield "array", flv(amf(b"x", b"\x0a", be(0xFFFFFFFF)))
    yield "arrays", flv(amf(b"x", b"\x0a", be(0xFFFFFFFF) + b"\x0a" + be(0xFFFFFFFF) * 900))
    deep = b""
    for _ in range(3000):
        deep = amf(b"x", b"\3", deep)
    yield "deep", flv(deep)
    yield "fields", flv(amf(b"x", b"\1", bytes(8)) * 5000)


def ogg(serial, payload, flags=2, sequence=0):
    lacing = b"\xff" * (len(payload) // 255) + bytes([len(payload) % 255])
    page = b"OggS\0" + bytes([flags]) + bytes(8) + le(serial, sequence, 0) + bytes([len(lacing)]) + lacing + payload
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return page[:22] + le(crc) + page[26:]


def others():
    theora = b"\x80theora\3\2\1" + struct.pack(">HH", 4, 3) + bytes(3) + b"\0\0\x40\0\0\x30" + bytes(24)
    yield "ogg_streams", b"".join(ogg(n, theora) for n in range(600))
    comments = b"\x81theora" + le(1) + b"x" + le(0x7FFFFFFF) + le(0x7FFFFFF0) + bytes(100)
    yield "ogg_comments", ogg(1, theora) + ogg(1, comments, 0, 1)
    yield (
        "gif_size",
        b"GIF89a"
        + struct.pack("<HH", 65535, 65535)
        + b"\xf7\0\0"
        + bytes(768)
        + b","
        + bytes(4)
        + struct.pack("<HH", 65535, 65535)
        + b"\0\x08"
        + b"\xff" * 256,
    )
    yield "y4m_size", b"YUV4MPEG2 W30000 H30000 F25:1 C444p16\nFRAME\n" + bytes(1000)
    yield (
        "ivf_frame",
        b"DKIF\0\0\x20\0VP90" + struct.pack("<HH", 64, 48) + le(25, 1, 0xFFFFFFFF, 0) + le(0x7FFFFFF0) + bytes(100),
    )
    partition = bytes.fromhex("060e2b34020501010d01020101020400")
    rest = struct.pack(">HHI", 1, 3, 1) + bytes(64)
    pack = partition + b"\x83" + struct.pack(">I", len(rest) + 24)[1:] + rest + bytes(16) + be(0x7FFFFFFF, 16)
    index = bytes.fromhex("060e2b34025301010d01020101100100")
    entries = struct.pack(">HHII", 0x3F0A, 0xFFFF, 0x0FFFFFFF, 11) + bytes(400)
    yield "mxf_index", pack + (index + b"\x83" + struct.pack(">I", len(entries))[1:] + entries) * 20
    primer = bytes.fromhex("060e2b34020501010d01020101050100") + b"\x83\0\0\x48" + be(0x7FFFFFFF, 18) + bytes(64)
    yield "mxf_primer", pack + primer * 20


def variants():
    """Pairs of a name and a file."""
    groups = (("mkv_", matroskas), ("avi_", avis), ("asf_", asfs), ("", streams), ("flv_", flvs), ("", others))
    for prefix, group in groups:
        yield from ((f"{prefix}{name}", data) for name, data in group())
