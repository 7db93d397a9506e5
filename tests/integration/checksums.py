"""The five checksums of S3, computed apart from the server."""

import base64
import hashlib
import struct

import awscrt.checksums

COMPUTE = {
    "CRC32": lambda data: struct.pack(">I", awscrt.checksums.crc32(data)),
    "CRC32C": lambda data: struct.pack(">I", awscrt.checksums.crc32c(data)),
    "CRC64NVME": lambda data: struct.pack(">Q", awscrt.checksums.crc64nvme(data)),
    "SHA1": lambda data: hashlib.sha1(data).digest(),
    "SHA256": lambda data: hashlib.sha256(data).digest(),
}
NAMES = list(COMPUTE)


def encoded(name, data):
    """As a header or an element of XML has it."""
    return base64.b64encode(COMPUTE[name](data)).decode()


def composite(name, parts):
    """Of a multipart upload: the checksum of the parts' checksums, with their number."""
    return f"{encoded(name, b''.join(COMPUTE[name](p) for p in parts))}-{len(parts)}"


def etag(data):
    return f'"{hashlib.md5(data).hexdigest()}"'


def multipart_etag(parts):
    joined = b"".join(hashlib.md5(p).digest() for p in parts)
    return f'"{hashlib.md5(joined).hexdigest()}-{len(parts)}"'
