# SPDX-License-Identifier: Apache-2.0
"""MP4 files of a few kilobytes that stand for tables of gigabytes, each in another place."""

import struct
import zlib

# Samples that one table claims: 24 bytes of index each.
SAMPLES = 11_000_000


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full(kind, *parts, version=0, flags=0):
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def words(*values):
    return struct.pack(f">{len(values)}I", *values)


MATRIX = words(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
FTYP = box(b"ftyp", b"isom", words(0), b"isom")
MVHD = full(b"mvhd", words(0, 0, 1000, 1000, 0x10000), bytes(12), MATRIX, bytes(24), words(99))


def description(handler=b"vide"):
    """One sample entry: MPEG-4 video of 64x48, or PCM."""
    head = bytes(6) + struct.pack(">H", 1)
    if handler == b"soun":
        entry = box(b"sowt", head, bytes(8), struct.pack(">HHHH", 1, 16, 0, 0), words(48000 << 16))
    else:
        entry = box(b"mp4v", head, bytes(16), struct.pack(">HH", 64, 48), bytes(50))
    return full(b"stsd", words(1), entry)


def tables(samples=0, handler=b"vide", delta=40, extra=b""):
    """`samples` of two bytes each in one chunk."""
    return (
        description(handler)
        + full(b"stts", words(1, samples, delta))
        + full(b"stsc", words(1, 1, max(samples, 1), 1))
        + full(b"stsz", words(2, samples))
        + full(b"stco", words(1, 40))
        + extra
    )


def track(number=1, handler=b"vide", stbl=None, mdia=b"", minf=b"", trak=b""):
    return box(
        b"trak",
        full(b"tkhd", words(0, 0, number, 0, 1000), bytes(16), MATRIX, words(64 << 16, 48 << 16), flags=3),
        box(
            b"mdia",
            full(b"mdhd", words(0, 0, 1000, 1000, 0x55C40000)),
            full(b"hdlr", words(0), handler, bytes(13)),
            mdia,
            box(b"minf", minf, b"" if stbl is None else box(b"stbl", stbl)),
        ),
        trak,
    )


def movie(*parts, count=1, before=b"", after=b""):
    """A whole file: `parts` in its index, and room for a few samples."""
    extends = b"".join(full(b"trex", words(n + 1, 1, 40, 2, 0)) for n in range(count))
    return FTYP + before + box(b"moov", MVHD, *parts, box(b"mvex", extends)) + after + box(b"mdat", bytes(64))


def run(samples=SAMPLES, flags=0, fields=b""):
    return full(b"trun", words(samples), fields, flags=flags)


def fragment(*runs, number=1, extra=b""):
    return box(b"traf", full(b"tfhd", words(number), flags=0x20000), *runs, extra)


def moof(*fragments):
    return box(b"moof", full(b"mfhd", words(1)), *fragments)


def empty_tracks(count):
    return [track(n + 1, stbl=tables()) for n in range(count)]


def claims(count, samples=SAMPLES, wrap=lambda stbl: stbl, **kwargs):
    """Tracks whose tables lie where `wrap` puts them."""
    return [track(n + 1, minf=wrap(box(b"stbl", tables(samples))), **kwargs) for n in range(count)]


def compressed(moov, factor=1):
    """A compressed index (QuickTime's cmov)."""
    packed = zlib.compress(moov)
    return box(b"moov", box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", words(len(moov) * factor), packed)))


def fragmented():
    yield from (
        (
            f"trun_{n}_tracks",
            movie(*empty_tracks(n), count=n, after=moof(*(fragment(run(), number=i + 1) for i in range(n)))),
        )
        for n in (1, 4, 28, 64)
    )
    one = empty_tracks(1)
    yield "trun_many", movie(*one, after=moof(fragment(*[run(300_000)] * 64)))
    yield "trun_many_fragments", movie(*one, after=moof(fragment(run(400_000))) * 40)
    yield "trun_fragment_without_runs_between", movie(*one, after=(moof(fragment()) + moof(fragment(run()))) * 20)
    yield "trun_offsets_and_flags", movie(*one, after=moof(fragment(run(flags=5, fields=words(64, 0)))))
    yield "trun_with_fields", movie(*one, after=moof(fragment(run(0x7FFFFFFF, 0xF01, words(8) + bytes(4096)))))
    yield "trun_whole_range", movie(*one, after=moof(fragment(run(0xFFFFFFFF))))
    yield (
        "trun_in_odd_places",
        movie(*one, after=box(b"moof", full(b"mfhd", words(1)), box(b"udta", fragment(box(b"tref", run()))))),
    )
    yield "trun_before_index", FTYP + moof(fragment(run())) + movie(*one)[len(FTYP) :]
    yield "trun_in_index", movie(*one, fragment(run()), moof(fragment(run())))
    sidx = full(b"sidx", words(1, 1000, 0, 0, 0xFFFF), words(0x7FFFFFFF, 40, 0x90000000) * 200)
    yield "sidx", movie(*one, after=sidx * 50 + moof(fragment(run())))
    tfra = full(b"tfra", words(1, 0, 0xFFFFFFFF), words(0, 40) + b"\1\1\1")
    mfra = box(b"mfra", tfra * 20, full(b"mfro", words(8 + 20 * len(tfra) + 16)))
    yield "mfra", movie(*one, after=moof(fragment(run(1)))) + mfra


def sample_tables():
    for count in (1, 16, 64):
        yield f"stsz_{count}_tracks", movie(*claims(count), count=count)
        yield (
            f"stsz_in_tref_{count}_tracks",
            movie(*(track(n + 1, trak=box(b"tref", box(b"stbl", tables(SAMPLES)))) for n in range(count))),
        )
        yield f"stsz_in_dinf_{count}_tracks", movie(*claims(count, wrap=lambda stbl: box(b"dinf", stbl)))
    odd = b"\1\2\3\4"
    yield "behind_odd_type", movie(*claims(28), before=box(odd, bytes(8)))
    yield "behind_empty_type", movie(*claims(28), before=box(bytes(4), bytes(8)))
    yield "behind_300_boxes", movie(*claims(28), before=box(b"skip", bytes(8)) * 300)
    yield "index_in_udta", FTYP + box(b"udta", box(b"moov", MVHD, *claims(28))) + box(b"mdat", bytes(64))
    yield "track_in_track", movie(track(1, trak=b"".join(claims(28)), stbl=tables()))
    yield "wide_box", movie(*claims(28), before=words(1) + b"skip" + words(0, 24) + bytes(8))
    yield "text_track", movie(*claims(28, handler=b"text"))
    yield (
        "sound_ticks",
        movie(
            track(1, stbl=tables()), *(track(n + 2, b"soun", stbl=tables(0xFFFFFFF0, b"soun", 1)) for n in range(20))
        ),
    )
    yield (
        "chunks",
        movie(
            *(
                track(
                    n + 1,
                    minf=box(
                        b"dinf",
                        box(
                            b"stbl",
                            description(),
                            full(b"stts", words(1, 0xFFFFFFFF, 1)),
                            full(b"stsc", words(1, 1, 0x7FFFFFFF, 1)),
                            full(b"stsz", words(0, 0x0FFFFFFF)),
                            full(b"stco", words(0x0FFFFFFF, 8)),
                        ),
                    ),
                )
                for n in range(28)
            )
        ),
    )


# Tables whose entries are counted first; those of a size that they give themselves need no entries at all.
COUNTED = {
    b"stts": words(0x1FFFFFFE, 1, 1),
    b"ctts": words(0x1FFFFFFE, 0x7FFFFFFF, 1),
    b"stsc": words(0x1FFFFFFE, 1, 1, 1),
    b"stsz": words(0, 0x1FFFFFFE, 8),
    b"stz2": words(4, 0x1FFFFFFE, 8),
    b"stss": words(0x1FFFFFFE, 1),
    b"stps": words(0x1FFFFFFE, 1),
    b"stco": words(0x1FFFFFFE, 1),
    b"co64": words(0x1FFFFFFE, 1),
    b"sdtp": words(0x1FFFFFFE),
    b"sbgp": b"rap " + words(0x1FFFFFFE, 1, 1),
    b"sgpd": b"sync" + words(1, 0x1FFFFFFE),
    b"saiz": b"\x10" + words(0x1FFFFFFE),
    b"saio": words(0x1FFFFFFE, 0),
    b"senc": words(0x1FFFFFFE),
    b"elst": words(0x1FFFFFFE, 1, 0, 0x10000),
    b"pssh": bytes(16) + words(0x1FFFFFFE, 0x1FFFFFFE),
    b"keys": words(0x1FFFFFFE, 8),
    b"dref": words(0x1FFFFFFE, 8),
    b"stsd": words(0x1FFFFFFE),
}


def counted_tables():
    for kind, body in COUNTED.items():
        name = kind.decode()
        stbl = full(kind, body)
        yield f"{name}_count", movie(*(track(n + 1, stbl=tables(2, extra=stbl)) for n in range(8)))
        yield (
            f"{name}_count_elsewhere",
            movie(
                *(track(n + 1, stbl=tables(2), minf=box(b"dinf", stbl), trak=box(b"edts", stbl)) for n in range(8)),
                after=box(b"udta", stbl) + box(b"meta", stbl),
            ),
        )
    edits = full(b"elst", words(4000), words(1, 0, 0x10000) * 4000)
    yield (
        "edits_times_samples",
        movie(*(track(n + 1, trak=box(b"tref", edits, box(b"stbl", tables(200_000)))) for n in range(8))),
    )
    offsets = full(b"ctts", words(1, 0x7FFFFFFF, 4))
    yield (
        "ctts_of_fragment",
        movie(
            *(track(n + 1, stbl=tables(2, extra=offsets)) for n in range(28)),
            count=28,
            after=moof(*(fragment(run(500_000), number=n + 1) for n in range(28))),
        ),
    )


def other_boxes():
    one = track(1, stbl=tables(2))
    huge = words(0x40000000)
    yield "uuid_size", movie(one) + huge + b"uuid" + bytes(64)
    yield "udta_strings", movie(one, box(b"udta", box(b"\xa9nam", b"\0\1\0\0x") * 20_000))
    item = box(b"\xa9nam", box(b"data", words(1, 0), b"x" * 8))
    yield (
        "ilst_items",
        movie(
            one, box(b"udta", full(b"meta", full(b"hdlr", words(0), b"mdir", bytes(13)), box(b"ilst", item * 10_000)))
        ),
    )
    yield (
        "cover_size",
        movie(
            one,
            box(
                b"udta",
                full(
                    b"meta",
                    full(b"hdlr", words(0), b"mdir", bytes(13)),
                    box(b"ilst", box(b"covr", words(0x3FFFFFFF) + b"data" + words(13, 0) + bytes(64))),
                ),
            ),
        ),
    )
    deep = b""
    for _ in range(2000):
        deep = box(b"udta", deep)
    yield "deep_boxes", movie(one, deep)
    index = box(b"moov", MVHD, *claims(28))
    yield "compressed_index", FTYP + compressed(index)
    yield "compressed_zeros", FTYP + compressed(bytes(100_000_000))
    yield "compressed_in_box", FTYP + box(b"\1\2\3\4") + box(b"udta", compressed(index, 4))
    yield "compressed_twice", FTYP + box(b"\1\2\3\4") + compressed(compressed(compressed(index)))
    yield (
        "extradata",
        movie(
            track(
                1,
                stbl=full(
                    b"stsd", words(1), words(0x30000000) + b"mp4v" + bytes(78) + words(0x2FFFFF00) + b"glbl" + bytes(64)
                ),
            )
        ),
    )


def variants():
    """Pairs of a name and a file."""
    for group in (fragmented, sample_tables, counted_tables, other_boxes):
        yield from ((f"mp4_{name}", data) for name, data in group())
