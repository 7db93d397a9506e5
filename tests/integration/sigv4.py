"""AWS Signature Version 4, written from its specification, so that a test can sign what no SDK would."""

import datetime
import hashlib
import hmac
import urllib.parse

SCHEME = "AWS4-HMAC-SHA256"


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def stamp(when=None):
    return (when or now()).strftime("%Y%m%dT%H%M%SZ")


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signing_key(secret, date, region):
    key = mac(b"AWS4" + secret.encode(), date)
    for word in (region, "s3", "aws4_request"):
        key = mac(key, word)
    return key


def canonical_query(query):
    """Of a query as sent: sorted by name, then by value."""
    pairs = [p.partition("=")[::2] for p in query.split("&") if p]
    return "&".join(f"{k}={v}" for k, v in sorted(pairs))


def signature(method, path, query, headers, payload, secret, time, region):
    """headers: names in lower case; all are signed. path and query: as sent."""
    lines = "".join(f"{k}:{' '.join(v.split())}\n" for k, v in sorted(headers.items()))
    request = "\n".join([method, path, canonical_query(query), lines, ";".join(sorted(headers)),
                         payload])
    scope = f"{time[:8]}/{region}/s3/aws4_request"
    text = "\n".join([SCHEME, time, scope, hashlib.sha256(request.encode()).hexdigest()])
    return mac(signing_key(secret, time[:8], region), text).hex()


def sign(method, path, query, headers, access, secret, payload=None, when=None, region="us-east-1",
         body=None):
    """The headers with those that sign them. payload: a hash or one of its stand-ins; of the body when
    not given."""
    time = stamp(when)
    payload = payload or hashlib.sha256(body or b"").hexdigest()
    headers = {**{k.lower(): v for k, v in headers.items()}, "x-amz-date": time,
               "x-amz-content-sha256": payload}
    value = signature(method, path, query, headers, payload, secret, time, region)
    names = ";".join(sorted(headers))
    return {**headers, "authorization":
            f"{SCHEME} Credential={access}/{time[:8]}/{region}/s3/aws4_request, "
            f"SignedHeaders={names}, Signature={value}"}


def presign(method, path, host, access, secret, expires, when=None, region="us-east-1", query="",
            headers=None):
    """The path with the query that signs it."""
    time = stamp(when)
    headers = {"host": host, **(headers or {})}
    fields = {"X-Amz-Algorithm": SCHEME,
              "X-Amz-Credential": f"{access}/{time[:8]}/{region}/s3/aws4_request",
              "X-Amz-Date": time, "X-Amz-Expires": str(expires),
              "X-Amz-SignedHeaders": ";".join(sorted(headers))}
    query = "&".join(filter(None, [query, urllib.parse.urlencode(fields,
                                                                 quote_via=urllib.parse.quote,
                                                                 safe="")]))
    value = signature(method, path, query, headers, "UNSIGNED-PAYLOAD", secret, time, region)
    return f"{path}?{query}&X-Amz-Signature={value}"


class ChunkSigner:
    """The chain of signatures of STREAMING-AWS4-HMAC-SHA256-PAYLOAD, from a signed request's headers."""

    def __init__(self, headers, secret, region="us-east-1"):
        self.time = headers["x-amz-date"]
        self.scope = f"{self.time[:8]}/{region}/s3/aws4_request"
        self.key = signing_key(secret, self.time[:8], region)
        self.last = headers["authorization"].rpartition("=")[2]

    def _next(self, kind, *hashes):
        text = "\n".join([f"{SCHEME}-{kind}", self.time, self.scope, self.last, *hashes])
        self.last = mac(self.key, text).hex()
        return self.last

    def chunk(self, data):
        """One chunk with its frame."""
        value = self._next("PAYLOAD", hashlib.sha256(b"").hexdigest(),
                           hashlib.sha256(data).hexdigest())
        frame = f"{len(data):x};chunk-signature={value}\r\n".encode()
        return frame + data + (b"\r\n" if data else b"")

    def trailer(self, name, text):
        """The trailer after the last chunk."""
        line = f"{name}:{text}\n".encode()
        value = self._next("TRAILER", hashlib.sha256(line).hexdigest())
        return f"{name}:{text}\r\nx-amz-trailer-signature:{value}\r\n\r\n".encode()
