"""Values of fields at and beyond what the protos allow; none that are valid and expensive."""

import math
import struct

from google.protobuf.descriptor import FieldDescriptor


def _single(value: float) -> float:
    """The nearest value that a proto's ``float`` holds."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: [-(2**31), -1, 0, 2**31 - 1],
    FieldDescriptor.CPPTYPE_INT64: [-(2**63), -1, 0, 2**63 - 1],
    FieldDescriptor.CPPTYPE_UINT32: [0, 2**32 - 1],
    FieldDescriptor.CPPTYPE_UINT64: [0, 2**63 - 1, 2**63, 2**64 - 1],
}
FLOATS = [math.nan, math.inf, -math.inf, -1.0, 0.0, _single(1e30)]
TEXTS = [
    "",
    " ",
    "\0",
    "../../etc/passwd",
    "file:///etc",
    "memory://",
    "s3://",
    "sha256:" + "0" * 64,
    "sha256:xyz",
    "captions/00000000000000000000000000000000",
    "{",
    "[1]",
    "process: 7",
    "process: [{no_such_filter: {}}]",
    "name@0",
    "name@sha256:",
    "\N{PILE OF POO}" * 70,
    "x" * 70_000,
    "x" * 300_000,
]
BYTES = [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"x" * 9_000_000]
