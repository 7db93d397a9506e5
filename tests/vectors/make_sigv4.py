#!/usr/bin/env python3
"""Makes the SigV4 vectors in tests/vectors/sigv4 with botocore's signer, so that they are
independent of the code they test. Each case is a folder:

  request            the head as sent, lines ended by LF
  canonical-request  what is hashed
  string-to-sign     what is signed
  authorization      the Authorization header's value, or of a presigned URL the signature
  chunks             (streaming) a line per chunk of 'a's: length, signature
  trailer, trailer-signature  (signed trailers)

The clock of every case stands at the time of the signature. In cases whose name begins with
"as-sent" the canonical request holds the path or query as it stands on the wire.
Where the S3 API Reference publishes a signature, it is asserted here.
Run it from anywhere: it rewrites the folder."""

import hashlib
import hmac
import pathlib
import shutil
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
DATE = "20130524T000000Z"
HOST = "examplebucket.s3.amazonaws.com"
EMPTY = hashlib.sha256(b"").hexdigest()
OUT = pathlib.Path(__file__).resolve().parent / "sigv4"


class HeaderSigner(S3SigV4Auth):
    """botocore's, with the payload's line given."""

    def __init__(self, payload, *args):
        super().__init__(*args)
        self.fixed_payload = payload

    def payload(self, request):
        return self.fixed_payload


class QuerySigner(S3SigV4QueryAuth):
    def __init__(self, payload, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fixed_payload = payload

    def payload(self, request):
        return self.fixed_payload


def write(name, **files):
    folder = OUT / name
    folder.mkdir(parents=True)
    for file, text in files.items():
        (folder / file.replace("_", "-")).write_bytes(text.encode("utf-8"))


def head(method, target, headers):
    return f"{method} {target} HTTP/1.1\n" + "".join(f"{n}: {v}\n" for n, v in headers) + "\n"


def prepared(method, target, headers, host, signer):
    request = AWSRequest(method=method, url=f"http://{host}{target}", headers=None)
    request.headers["Host"] = host
    for name, value in headers:
        request.headers[name] = value
    request.context["timestamp"] = DATE
    signer._modify_request_before_signing(request)
    return request


def signed(name, target, method="GET", headers=(), payload=EMPTY, host=HOST, region="us-east-1",
           token=None, wire=None, rewrite=None, expect=None, dates=None, late=()):
    """A case signed in the header. wire: the target that is sent instead of the signed one.
    dates: the date headers, instead of botocore's choice. late: headers sent but not signed."""
    signer = HeaderSigner(payload, Credentials(KEY, SECRET, token), "s3", region)
    request = prepared(method, target, headers, host, signer)
    if dates:
        del request.headers["X-Amz-Date"]
        for header, value in dates:
            request.headers[header] = value
    canonical = signer.canonical_request(request)
    string = signer.string_to_sign(request, canonical)
    signature = signer.signature(string, request)
    assert expect in (None, signature), (name, signature)
    signer._inject_signature_to_request(request, signature)
    authorization = request.headers["Authorization"]
    sent = [(n, rewrite(v) if rewrite and n == "Authorization" else v)
            for n, v in request.headers.items()]
    files = {"request": head(method, wire or target, sent + list(late)),
             "canonical_request": canonical, "string_to_sign": string,
             "authorization": authorization}
    return name, files, signature


def presigned(name, target, method="GET", headers=(), payload="UNSIGNED-PAYLOAD", host=HOST,
              region="us-east-1", token=None, expires=86400, expect=None, rewrite=None):
    signer = QuerySigner(payload, Credentials(KEY, SECRET, token), "s3", region, expires=expires)
    request = prepared(method, target, headers, host, signer)
    canonical = signer.canonical_request(request)
    string = signer.string_to_sign(request, canonical)
    signature = signer.signature(string, request)
    assert expect in (None, signature), (name, signature)
    signer._inject_signature_to_request(request, signature)
    url = urlsplit(request.url)
    sent = f"{url.path}?{url.query}"
    write(name, request=head(method, rewrite(sent) if rewrite else sent, request.headers.items()),
          canonical_request=canonical, string_to_sign=string, authorization=signature)


def plain(*args, **kwargs):
    name, files, _ = signed(*args, **kwargs)
    write(name, **files)


def signing_key(region):
    key = ("AWS4" + SECRET).encode()
    for part in (DATE[:8], region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def stream(name, sizes, payload, trailer=None, expect_chunks=None, expect_trailer=None,
           expect=None, region="us-east-1", headers=()):
    """A streaming body: the seed by botocore, the chain by the API Reference's formula."""
    name, files, previous = signed(name, "/examplebucket/chunkObject.txt", "PUT", headers, payload,
                                   "s3.amazonaws.com", region, expect=expect)
    key, scope = signing_key(region), f"{DATE[:8]}/{region}/s3/aws4_request"

    def link(kind, *rest):
        text = "\n".join((f"AWS4-HMAC-SHA256-{kind}", DATE, scope, previous, *rest))
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    lines = []
    for size in sizes + [0]:
        previous = link("PAYLOAD", EMPTY, hashlib.sha256(b"a" * size).hexdigest())
        lines.append(f"{size} {previous}\n")
    assert expect_chunks is None or [line.split()[1] for line in lines] == expect_chunks, lines
    files["chunks"] = "".join(lines)
    if trailer:
        signature = link("TRAILER", hashlib.sha256(trailer.encode()).hexdigest())
        assert expect_trailer in (None, signature), signature
        files["trailer"] = trailer
        files["trailer_signature"] = signature
    write(name, **files)


def reference_cases():
    """The examples of the S3 API Reference, with the signatures printed there."""
    plain("reference-get", "/test.txt", headers=[("Range", "bytes=0-9")],
          expect="f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
    body = hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()
    plain("reference-put", "/test%24file.text", "PUT", payload=body,
          headers=[("x-amz-storage-class", "REDUCED_REDUNDANCY")],
          dates=[("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-date", DATE)],
          expect="98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")
    plain("reference-lifecycle", "/?lifecycle=",
          expect="fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
    plain("reference-list", "/?max-keys=2&prefix=J",
          expect="34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
    presigned("reference-presigned", "/test.txt",
              expect="aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
    stream("reference-stream", [65536, 1024], "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
           headers=[("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                    ("Content-Encoding", "aws-chunked"),
                    ("x-amz-decoded-content-length", "66560"), ("Content-Length", "66824")],
           expect="4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
           expect_chunks=["ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                          "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                          "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"])
    stream("reference-stream-trailer", [65536, 1024], "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
           headers=[("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                    ("Content-Encoding", "aws-chunked"),
                    ("x-amz-decoded-content-length", "66560"),
                    ("x-amz-trailer", "x-amz-checksum-crc32c")],
           trailer="x-amz-checksum-crc32c:sOO8/Q==\n",
           expect="106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
           expect_chunks=["b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                          "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                          "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"],
           expect_trailer="d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435")


def path_cases():
    plain("path-empty-service", "/", host="127.0.0.1:8080")
    plain("path-unicode", "/b/%E4%BD%A0%E5%A5%BD/%C3%A9%CC%81.txt")
    plain("path-emoji", "/b/%F0%9F%98%80")
    plain("path-double-slash", "/b//a///c//")
    plain("path-dots", "/b/./../a/.././.")
    plain("path-space", "/b/a%20b%20%20c")
    plain("path-plus", "/b/a%2Bb%20c")
    plain("path-percent", "/b/100%25/%2525")
    plain("path-encoded-slash-like", "/b/a%5Cb%3Fc%23d")
    plain("path-reserved", "/b/a%21%27%28%29%2A%3A%40%26%3D%24%2C%3B%5B%5D")
    plain("path-unreserved", "/b/AZaz09-._~")
    plain("path-control", "/b/%01%1F%7F%0A")
    plain("path-vllm", "/model%40fp16%40tp_rank%3D0/ab%40cd")
    plain("path-wire-reserved", "/b/a%21%27%28%29%2A%3A%40", wire="/b/a!'()*:@")
    plain("path-wire-lower-hex", "/b/%C3%A9%2B", wire="/b/%c3%a9%2b")
    plain("path-wire-overencoded", "/b/abc-1~", wire="/b/%61b%63%2D1%7E")
    plain("path-wire-plus", "/b/a%2Bb", wire="/b/a+b")
    plain("as-sent-path-reserved", "/b/a!'()*:@b")
    plain("as-sent-path-lower-hex", "/b/%c3%a9%2bx?prefix=a")
    plain("as-sent-path-raw-utf8", "/b/\u00e9\u4f60")


def query_cases():
    plain("query-valueless", "/b?uploads", wire="/b?uploads", headers=[])
    plain("query-sorted", "/b?Z=1&a=2&A=3&_=4&%C3%A9=5&aa=6&a-=7")
    plain("query-repeated", "/b?a=2&a=1&a=10&a=")
    plain("query-list", "/b?list-type=2&prefix=a%2Fb%20c%2Bd&delimiter=%2F&encoding-type=url")
    plain("query-token", "/b?list-type=2&continuation-token=1%2Fa%3D%3D&start-after=%E4%BD%A0")
    plain("query-part", "/b/k?partNumber=10&uploadId=VXBsb2Fk.SWQ_-~")
    plain("query-equals-wire", "/b?a=b%3Dc%3D", wire="/b?a=b=c=")
    plain("query-space-wire-plus", "/b?prefix=a%20b", wire="/b?prefix=a+b")
    plain("query-reserved-wire", "/b?prefix=%21%27%28%29%2A%3A%40%2F%3F",
          wire="/b?prefix=!'()*:@/?")
    plain("query-unsorted-wire", "/b?a=1&b=2", wire="/b?b=2&&a=1&")
    plain("as-sent-query-plus", "/b?prefix=a+b&marker=x")
    plain("as-sent-query-reserved", "/b?prefix=a/b:c@d")
    plain("as-sent-both", "/b/a!b?prefix=a/b")


def header_cases():
    plain("header-multi", "/b/k", "PUT",
          headers=[("x-amz-meta-a", "1"), ("x-amz-meta-b", "x"), ("X-Amz-Meta-A", "3"),
                   ("x-amz-meta-a", "2")])
    plain("header-space", "/b/k", "PUT",
          headers=[("x-amz-meta-a", "  a   b \t c  "), ("Content-Type", "text/plain;  q=1")])
    plain("header-empty", "/b/k", "PUT", headers=[("x-amz-meta-a", "")])
    plain("header-quoted", "/b/k", "PUT", headers=[("x-amz-meta-a", '"a   b"')])
    plain("header-many", "/b/k", "PUT",
          headers=[("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg=="), ("Content-Type", "image/png"),
                   ("x-amz-acl", "private"), ("x-amz-tagging", "a=b&c=d"), ("If-None-Match", "*"),
                   ("Cache-Control", "no-cache, no-store"), ("Expires", "0")])
    plain("header-unsigned-others", "/b/k", late=[("User-Agent", "x"), ("Expect", "100-continue"),
                                                  ("X-Amzn-Trace-Id", "Root=1")])
    plain("header-copy-source", "/b/k", "PUT", headers=[("x-amz-copy-source", "/b/a%20b%2Bc")])
    plain("header-token", "/b/k", token="FwoGZXIvYXdzEBYaD//token==")
    plain("header-date-gmt", "/b/k", dates=[("Date", "Fri, 24 May 2013 00:00:00 GMT")])
    plain("header-date-botocore", "/b/k", headers=[("Date", "now")])  # sends -0000 for GMT
    plain("header-host-port", "/b/k", host="[::1]:9000", region="eu-central-1")
    plain("header-region-odd", "/b/k", region="local_1.x")
    plain("header-methods-delete", "/b/k?versionId=null", "DELETE")
    plain("header-methods-head", "/b/k", "HEAD")


def payload_cases():
    plain("payload-unsigned", "/b/k", "PUT", payload="UNSIGNED-PAYLOAD")
    plain("payload-hash", "/b/k", "PUT", payload=hashlib.sha256(b"hello").hexdigest())
    plain("payload-unsigned-trailer", "/b/k", "PUT", payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
          headers=[("Content-Encoding", "aws-chunked"), ("x-amz-decoded-content-length", "5"),
                   ("x-amz-trailer", "x-amz-checksum-crc64nvme")])
    stream("stream-empty", [], "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", region="eu-west-3")
    stream("stream-many", [8192, 8192, 8192, 1], "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
    stream("stream-trailers", [10000], "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
           trailer="x-amz-checksum-crc64nvme:AAAAAAAAAAA=\nx-amz-meta-t:1\n")


def presigned_cases():
    presigned("presigned-extra", "/b/k?response-content-type=text%2Fplain%3B%20q&versionId=null")
    presigned("presigned-put-headers", "/b/k", "PUT",
              headers=[("Content-Type", "text/plain"), ("x-amz-meta-a", "1  2")])
    presigned("presigned-token", "/b/k", token="FwoGZXIvYXdzEBYaD//token==")
    presigned("presigned-multipart", "/b/k?partNumber=1&uploadId=abc", "PUT", expires=604800)
    presigned("presigned-unicode", "/b/%E4%BD%A0%20%2B?prefix=%C3%A9", expires=1)
    presigned("presigned-payload", "/b/k?X-Amz-Content-Sha256=" + EMPTY, payload=EMPTY)
    presigned("presigned-payload-header", "/b/k", "PUT", headers=[("x-amz-content-sha256", EMPTY)],
              payload=EMPTY)
    presigned("presigned-signature-first", "/b/k", rewrite=lambda sent: "&".join(
        ["/b/k?" + sent.split("&")[-1]] + sent.split("?")[1].split("&")[:-1]))


def field_cases():
    def rejoined(order, separator):
        def rewrite(value):
            algorithm, rest = value.split(" ", 1)
            fields = rest.split(", ")
            return algorithm + " " + separator.join(fields[i] for i in order)
        return rewrite

    plain("fields-no-space", "/b/k", rewrite=rejoined((0, 1, 2), ","))
    plain("fields-reversed", "/b/k", rewrite=rejoined((2, 1, 0), ", "))
    plain("fields-wide", "/b/k", rewrite=rejoined((1, 0, 2), "  ,\t "))
    plain("fields-by-space", "/b/k", rewrite=rejoined((0, 2, 1), " "))


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    for cases in (reference_cases, path_cases, query_cases, header_cases, payload_cases,
                  presigned_cases, field_cases):
        cases()
    print(len(list(OUT.iterdir())), "cases")


if __name__ == "__main__":
    main()
