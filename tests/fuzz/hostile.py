"""Requests that are wrong as HTTP, or strange: what a library would never send, and the status that each is due.

Used by `tests/api/test_raw_http.py`, one by one, and by `python -m tests.fuzz.raw`, which begins with them.
"""

from collections.abc import Iterator

HOST = b"Host: localhost\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST
JSON = b"POST /generate HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
FORM = b"POST /translate HTTP/1.1\r\n" + HOST + b"Content-Type: multipart/form-data; boundary=b\r\n"
PART = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\nno picture\r\n'
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def sized(head: bytes, body: bytes) -> bytes:
    """A request with that body, of the length that it says."""
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


LINES: dict[str, tuple[int, bytes]] = {
    "no method": (400, b" /healthz HTTP/1.1\r\n\r\n"),
    "an unknown method": (400, b"BREW /healthz HTTP/1.1\r\n\r\n"),
    "a method in lower case": (400, b"get /healthz HTTP/1.1\r\n\r\n"),
    "a method that the route hasn't": (405, b"DELETE /healthz HTTP/1.1\r\n\r\n"),
    "a method of WebDAV": (405, b"PROPFIND /healthz HTTP/1.1\r\n\r\n"),
    "TRACE": (405, b"TRACE /healthz HTTP/1.1\r\n\r\n"),
    "no version": (200, b"GET /healthz\r\n\r\n"),
    "HTTP/0.9": (200, b"GET /healthz HTTP/0.9\r\n\r\n"),
    "HTTP/1.0": (200, b"GET /healthz HTTP/1.0\r\n\r\n"),
    "HTTP/2.0 in words": (200, b"GET /healthz HTTP/2.0\r\n\r\n"),
    "HTTP/3.7": (400, b"GET /healthz HTTP/3.7\r\n\r\n"),
    "HTTP/11": (400, b"GET /healthz HTTP/11\r\n\r\n"),
    "a version of letters": (400, b"GET /healthz HTTP/x.y\r\n\r\n"),
    "the preface of HTTP/2": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "the beginning of TLS": (400, bytes.fromhex("16030100a5010000a10303") + b"\0" * 32),
    "an SSH client": (400, b"SSH-2.0-OpenSSH_9.6\r\n"),
    "RTSP": (405, b"OPTIONS /healthz RTSP/1.0\r\n\r\n"),
    "an ICY source": (405, b"SOURCE /healthz ICE/1.0\r\n\r\n"),
    "two words between": (400, b"GET /healthz /readyz HTTP/1.1\r\n\r\n"),
    "two spaces": (200, b"GET  /healthz HTTP/1.1\r\n\r\n"),
    "a tab for a space": (400, b"GET\t/healthz\tHTTP/1.1\r\n\r\n"),
    "a line feed alone": (400, b"GET /healthz HTTP/1.1\nHost: a\n\n"),
    "a carriage return alone": (400, b"GET /healthz HTTP/1.1\rHost: a\r\r"),
    "empty lines before": (200, b"\r\n\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n"),
    "nothing but NUL": (400, b"\0" * 64),
    "bytes at random": (400, bytes(range(255, 127, -1))),
    "no address": (400, b"GET HTTP/1.1\r\n\r\n"),
    "an address without a slash": (400, b"GET healthz HTTP/1.1\r\n\r\n"),
    "absolute form": (200, b"GET http://localhost/healthz HTTP/1.1\r\n\r\n"),
    "absolute form, no path": (400, b"GET http://localhost HTTP/1.1\r\n\r\n"),
    "absolute form of another server": (404, b"GET http://example.org/nothing HTTP/1.1\r\n\r\n"),
    "absolute form, no host": (400, b"GET http:///healthz HTTP/1.1\r\n\r\n"),
    "a port of letters": (400, b"GET http://localhost:x/healthz HTTP/1.1\r\n\r\n"),
    "OPTIONS *": (404, b"OPTIONS * HTTP/1.1\r\n\r\n"),
    "CONNECT": (400, b"CONNECT example.org:443 HTTP/1.1\r\n\r\n"),
    "a fragment": (200, b"GET /healthz#here HTTP/1.1\r\n\r\n"),
    "a bad escape in the path": (404, b"GET /%zz%1 HTTP/1.1\r\n\r\n"),
    "NUL in the path, escaped": (404, b"GET /%00 HTTP/1.1\r\n\r\n"),
    "NUL in the path": (400, b"GET /health\0z HTTP/1.1\r\n\r\n"),
    "a line feed in the path, escaped": (404, b"GET /models/%0d%0aX:%20y HTTP/1.1\r\n\r\n"),
    "no UTF-8 in the path, escaped": (404, b"GET /%ff%fe HTTP/1.1\r\n\r\n"),
    "no UTF-8 in the path": (400, b"GET /\xff\xfe HTTP/1.1\r\n\r\n"),
    "UTF-8 in the path": (400, "GET /modèles HTTP/1.1\r\n\r\n".encode()),
    "half of a surrogate pair in the path": (404, b"GET /%ed%a0%80 HTTP/1.1\r\n\r\n"),
    "a slash, escaped": (200, b"GET /models%2fcifar10 HTTP/1.1\r\n\r\n"),
    "a path that climbs": (404, b"GET /../../../etc/passwd HTTP/1.1\r\n\r\n"),
    "a path that climbs, escaped": (404, b"GET /models/..%2f..%2fetc%2fpasswd HTTP/1.1\r\n\r\n"),
    "backslashes": (404, b"GET /..\\..\\etc HTTP/1.1\r\n\r\n"),
    "many slashes": (404, b"GET " + b"/" * 5000 + b" HTTP/1.1\r\n\r\n"),
    "a bad escape in the query": (422, b"GET /generate?seed=%zz HTTP/1.1\r\n\r\n"),
    "no UTF-8 in the query, escaped": (404, b"GET /generate?class=%ff%fe HTTP/1.1\r\n\r\n"),
    "NUL in the query, escaped": (404, b"GET /generate?class=%00 HTTP/1.1\r\n\r\n"),
    "no UTF-8 in the query": (400, b"GET /generate?class=\xff HTTP/1.1\r\n\r\n"),
    "half of a surrogate pair in the query": (404, b"GET /generate?model=%ed%a0%80 HTTP/1.1\r\n\r\n"),
    "a query of ampersands": (200, b"GET /healthz?" + b"&" * 5000 + b" HTTP/1.1\r\n\r\n"),
    "a thousand fields": (422, b"GET /generate?" + b"a=1&" * 1000 + b" HTTP/1.1\r\n\r\n"),
    "a field without a name": (422, b"GET /generate?=1 HTTP/1.1\r\n\r\n"),
    "an address of 20 kB": (414, b"GET /healthz?" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n"),
    "an address of 2 MB": (414, b"GET /" + b"a" * 2_000_000 + b" HTTP/1.1\r\n\r\n"),
    "a method of 2 MB": (400, b"A" * 2_000_000 + b" / HTTP/1.1\r\n\r\n"),
}
"""What is wrong or strange in the first line."""

HEADERS: dict[str, tuple[int, bytes]] = {
    "no colon": (400, GET + b"nothing\r\n\r\n"),
    "no name": (400, GET + b": value\r\n\r\n"),
    "a space before the colon": (400, GET + b"A : b\r\n\r\n"),
    "a space in the name": (400, GET + b"A b: c\r\n\r\n"),
    "NUL in the name": (400, GET + b"A\0: b\r\n\r\n"),
    "NUL in the value": (400, GET + b"A: b\0c\r\n\r\n"),
    "a carriage return in the value": (400, GET + b"A: b\rc\r\n\r\n"),
    "a line feed ends the line": (400, GET + b"A: b\nC: d\r\n\r\n"),
    "a folded line": (400, GET + b"A: b\r\n c\r\n\r\n"),
    "a folded first line": (400, b"GET /healthz HTTP/1.1\r\n A: b\r\n\r\n"),
    "no UTF-8 in the value": (200, GET + b"A: \xff\xfe\r\n\r\n"),
    "no UTF-8 in the name": (400, GET + b"\xff: a\r\n\r\n"),
    "an escape of a terminal in the value": (400, GET + b"A: \x1b[2J\r\n\r\n"),
    "an empty value": (200, GET + b"A:\r\n\r\n"),
    "no host": (200, b"GET /healthz HTTP/1.1\r\n\r\n"),
    "two hosts": (200, GET + HOST + b"\r\n"),
    "a host of nonsense": (200, b"GET /healthz HTTP/1.1\r\nHost: [::1]]:@/?#\r\n\r\n"),
    "an accept of nonsense": (406, b"GET /generate HTTP/1.1\r\nAccept: ;;q=,,/\r\n\r\n"),
    "qualities of nonsense": (406, b"GET /generate HTTP/1.1\r\nAccept: image/png;q=-1e999\r\n\r\n"),
    "a tag of nonsense": (200, b'GET /generate?seed=1 HTTP/1.1\r\nIf-None-Match: W/"""\r\n\r\n'),
    "a traceparent of nonsense": (200, GET + b"traceparent: 00-\xff-\xff-zz\r\n\r\n"),
    "an id of nonsense": (200, GET + b"X-Request-ID: \xe9\x80\r\n\r\n"),
    "a name of 20 kB": (431, GET + b"A" * 20_000 + b": b\r\n\r\n"),
    "a value of 2 MB": (431, GET + b"A: " + b"b" * 2_000_000 + b"\r\n\r\n"),
    "a value of 2 MB that never ends": (431, GET + b"A: " + b"b" * 2_000_000),
    "a hundred thousand headers": (431, GET + b"A: b\r\n" * 100_000 + b"\r\n"),
    "four thousand headers without a value": (431, GET + b"a:\r\n" * 4000 + b"\r\n"),
    "an upgrade to a WebSocket": (
        200,
        GET
        + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    ),
    "an upgrade to HTTP/2": (
        200,
        GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
    ),
    "an upgrade to nothing": (200, GET + b"Connection: Upgrade\r\n\r\n"),
    "an expectation of nonsense": (200, GET + b"Expect: miracles\r\n\r\n"),
}
"""What is wrong or strange in a header."""

BODIES: dict[str, tuple[int, bytes]] = {
    "a length of letters": (400, JSON + b"Content-Length: two\r\n\r\n{}"),
    "a negative length": (400, JSON + b"Content-Length: -1\r\n\r\n{}"),
    "a length with a sign": (400, JSON + b"Content-Length: +2\r\n\r\n{}"),
    "a length in hexadecimals": (400, JSON + b"Content-Length: 0x2\r\n\r\n{}"),
    "a length beyond 64 bits": (400, JSON + b"Content-Length: 18446744073709551617\r\n\r\n{}"),
    "a length of exabytes": (413, FORM + b"Content-Length: 9000000000000000000\r\n\r\n--b"),
    "an empty length": (400, JSON + b"Content-Length:\r\n\r\n{}"),
    "two lengths that differ": (400, JSON + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "two lengths that don't": (400, JSON + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"),
    "lengths in a list": (400, JSON + b"Content-Length: 2, 2\r\n\r\n{}"),
    "length and chunks": (400, JSON + b"Content-Length: 2\r\n" + CHUNKED + b"2\r\n{}\r\n0\r\n\r\n"),
    "chunks and length": (400, JSON + CHUNKED[:-2] + b"Content-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
    "chunked twice": (400, JSON + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    "chunked, and then not": (400, JSON + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    "an encoding that nobody knows": (400, JSON + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "chunked behind a tab": (400, JSON + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    "chunked in HTTP/1.0": (404, JSON.replace(b"1.1", b"1.0", 1) + CHUNKED + b'f\r\n{"class":"no"} \r\n0\r\n\r\n'),
    "a chunk of letters": (400, JSON + CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"),
    "a negative chunk": (400, JSON + CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n"),
    "a chunk in 0x": (400, JSON + CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n"),
    "a chunk beyond 64 bits": (400, JSON + CHUNKED + b"11111111111111111\r\n{}\r\n0\r\n\r\n"),
    "a chunk longer than it says": (400, JSON + CHUNKED + b"1\r\n{}\r\n0\r\n\r\n"),
    "a chunk that ends in a line feed": (400, JSON + CHUNKED + b"2\n{}\n0\n\n"),
    "an extension of a chunk": (404, JSON + CHUNKED + b'e;a="b"\r\n{"class":"no"}\r\n0\r\n\r\n'),
    "an extension of 2 MB": (431, JSON + CHUNKED + b"2;" + b"a" * 2_000_000),
    "a trailer": (404, JSON + CHUNKED + b'e\r\n{"class":"no"}\r\n0\r\nX-API-Key: a\r\n\r\n'),
    "a length in a trailer": (400, JSON + CHUNKED + b"2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n"),
    "a trailer that is none": (400, JSON + CHUNKED + b"2\r\n{}\r\n0\r\nnothing\r\n\r\n"),
    "a trailer of 2 MB": (431, JSON + CHUNKED + b"2\r\n{}\r\n0\r\nA: " + b"b" * 2_000_000),
    "a hundred thousand trailers": (431, JSON + CHUNKED + b"2\r\n{}\r\n0\r\n" + b"A: b\r\n" * 100_000),
    "JSON that is none": (422, sized(JSON, b"{")),
    "JSON of NUL": (422, sized(JSON, b"\0\0")),
    "JSON that is no UTF-8": (422, sized(JSON, b'{"class":"\xff"}')),
    "JSON of brackets": (422, sized(JSON, b"[" * 16_000)),
    "JSON of 17 kB": (413, sized(JSON, b" " * 17_000)),
    "a body that is of no kind": (415, sized(b"POST /generate HTTP/1.1\r\n" + HOST, b"{}")),
    "a body where none is read": (200, sized(b"GET /healthz HTTP/1.1\r\n", b"hello")),
    "a form without a boundary": (400, sized(FORM.replace(b"; boundary=b", b""), PART + b"--b--\r\n")),
    "a form of another boundary": (400, sized(FORM, PART.replace(b"--b", b"--c"))),
    "a form that ends early": (422, sized(FORM, PART[:40])),
    "a form without its end": (422, sized(FORM, PART)),
    "a form of nothing": (422, sized(FORM, b"")),
    "a form of its end alone": (422, sized(FORM, b"--b--\r\n")),
    "a part without a name": (400, sized(FORM, b"--b\r\nContent-Disposition: form-data\r\n\r\na\r\n--b--\r\n")),
    "a part without a head": (400, sized(FORM, b"--b\r\n\r\na\r\n--b--\r\n")),
    "a part with a head of nonsense": (400, sized(FORM, b"--b\r\n\xff\0: \xff\r\n\r\na\r\n--b--\r\n")),
    "a part whose name is no UTF-8": (
        422,
        sized(FORM, b'--b\r\nContent-Disposition: form-data; name="\xff"\r\n\r\na\r\n--b--\r\n'),
    ),
    "a part with a file of no name": (
        415,
        sized(FORM, PART.replace(b'"a.png"', b'"../../\0"') + b"--b--\r\n"),
    ),
    "a part in a charset that nobody knows": (
        422,
        sized(
            FORM.replace(b"boundary=b", b"boundary=b; charset=none"),
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--b--\r\n',
        ),
    ),
    "a form in a charset that says nothing": (
        400,
        sized(FORM.replace(b"boundary=b", b"boundary=b; charset=undefined"), PART + b"--b--\r\n"),
    ),
    "two files": (400, sized(FORM, PART + PART + b"--b--\r\n")),
    "ten thousand parts": (
        400,
        sized(FORM, b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 10_000 + b"--b--\r\n"),
    ),
    "a part with ten thousand headers": (400, sized(FORM, b"--b\r\n" + b"A: b\r\n" * 10_000 + b"\r\na\r\n--b--\r\n")),
    "a boundary of 10 kB": (400, sized(FORM.replace(b"=b", b"=" + b"b" * 10_000), PART)),
    "a body that was to be asked for": (422, sized(JSON + b"Expect: 100-continue\r\n", b"{")),
}
"""What is wrong or strange in a body, or in how it says where it ends."""

UNFINISHED: dict[str, bytes] = {
    "nothing": b"",
    "one letter": b"G",
    "half a first line": b"GET /hea",
    "half a header": GET + b"Accept: ima",
    "no end of the head": GET,
    "empty lines": b"\r\n" * 100,
    "half a body": JSON + b"Content-Length: 100\r\n\r\n{",
    "half a chunk": JSON + CHUNKED + b"ff\r\n{",
    "half the size of a chunk": JSON + CHUNKED + b"f",
    "no last chunk": JSON + CHUNKED + b"2\r\n{}\r\n",
    "half a trailer": JSON + CHUNKED + b"2\r\n{}\r\n0\r\nA: b",
    "half a form": FORM + b"Content-Length: 1000\r\n\r\n" + PART,
    "an expectation and no body": JSON + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
}
"""What the service waits for more of."""


def every() -> Iterator[bytes]:
    """All of them."""
    for table in (LINES, HEADERS, BODIES):
        yield from (request for _, request in table.values())
    yield from UNFINISHED.values()
