"""Sends one HTTP request over wasi:http, for processors whose use case grants `allow-http`.

    from postdate_http import send

    answer = send("POST", "https://api.example.com/orders", {"content-type": "application/json"}, job.body.encode())
    answer.status, answer.headers, answer.body
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from componentize_py_types import Err, Ok
from wit_world.imports import http_types, outgoing_handler
from wit_world.imports.http_types import IncomingResponse, OutgoingBody

# Limit of one call of `blocking-write-and-flush` in wasi:io.
WRITE_CHUNK_BYTES = 4_096
READ_CHUNK_BYTES = 65_536

# Error codes of wasi:http for a request that the host refused.
REFUSED = ("http-request-denied", "destination-ip-prohibited")


@dataclass
class Answer:
    """The server's answer. Header names are in lower case; of several headers with one name, the last one is kept."""

    status: int
    headers: dict[str, str]
    # At most `limit` bytes, the argument of `send`. `truncated` is true if that is not the whole body: it was longer, or the
    # connection broke before its end. The server has answered with its status in both cases.
    body: bytes
    truncated: bool


class HttpError(Exception):
    """There is no answer. `code` is the error code of wasi:http, such as `connection-refused`. `refused` is true if the host
    refused the destination: it is not in `allow-http`, or it is a private address that `allow-http` does not name. Another
    attempt can help only if `refused` is false.
    """

    def __init__(self, code: str):
        super().__init__(f"the host refused the request: {code}" if code in REFUSED else f"no answer: {code}")
        self.code = code
        self.refused = code in REFUSED


def send(method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"", limit: int = 1 << 20) -> Answer:
    """Sends the request and returns the answer with at most `limit` bytes of its body. Does not follow redirects.

    Returns an answer with an error status like any other. Raises `HttpError` if there is no answer. Raises `ValueError` if the
    request is not valid: `url` must be absolute, without user and password.
    """
    request = http_types.OutgoingRequest(fields(method, headers or {}, body))
    scheme, authority, path = parts(url)
    try:
        request.set_method(http_types.Method_Other(method))
        request.set_scheme(scheme)
        request.set_authority(authority)
        request.set_path_with_query(path)
    except Err as error:
        raise ValueError(f"the method {method!r} or the URL is not valid") from error
    outgoing = request.body()
    try:
        pending = outgoing_handler.handle(request, None)
    except Err as error:
        raise HttpError(code(error.value)) from error
    # A server may answer and close the connection before it has read the whole body. Ignore a broken write: if there is no
    # answer either, `wait` raises the reason.
    try:
        write(outgoing, body)
    except Err:
        pass
    return read(wait(pending), limit)


def parts(url: str) -> tuple[http_types.Scheme, str, str]:
    """Returns the scheme, the authority, and the path with the query."""
    if any(letter.isspace() or not letter.isprintable() for letter in url):
        raise ValueError("the URL has a space or a control character in it: encode it")
    split = urlsplit(url)
    if split.scheme not in ("http", "https") or not split.netloc:
        raise ValueError("the URL is not an absolute one with http or https")
    if "@" in split.netloc:
        raise ValueError("the URL carries a user name or password: send a header instead")
    scheme = http_types.Scheme_Https() if split.scheme == "https" else http_types.Scheme_Http()
    return scheme, split.netloc, (split.path or "/") + (f"?{split.query}" if split.query else "")


def fields(method: str, headers: Mapping[str, str], body: bytes) -> http_types.Fields:
    given = http_types.Fields()
    # Without a content-length the host sends the body in chunks. Some webhook receivers cannot read chunks.
    length = {"content-length": str(len(body))} if body or method not in ("GET", "HEAD") else {}
    for name, value in {**headers, **length}.items():
        try:
            given.append(name, value.encode())
        except Err as error:
            raise ValueError(f"header {name!r}: the name or value is not valid, or the host sets this header itself") from error
    return given


def write(outgoing: OutgoingBody, body: bytes) -> None:
    # The stream is a child resource of the body. Close it before the body is finished.
    with outgoing.write() as stream:
        for start in range(0, len(body), WRITE_CHUNK_BYTES):
            stream.blocking_write_and_flush(body[start : start + WRITE_CHUNK_BYTES])
    OutgoingBody.finish(outgoing, None)


def wait(pending: http_types.FutureIncomingResponse) -> IncomingResponse:
    with pending.subscribe() as ready:
        ready.block()
    match pending.get():
        case Ok(Ok(response)):
            return response
        case Ok(Err(error)):
            raise HttpError(code(error))
        # The future is ready without a value, or its value was taken before. A host that conforms to wasi:http does neither.
        case _:
            raise HttpError("internal-error")


def read(response: IncomingResponse, limit: int) -> Answer:
    headers = {name.lower(): value.decode(errors="replace") for name, value in response.headers().entries()}
    content, broken = bytearray(), False
    with response.consume() as incoming, incoming.stream() as stream:
        while len(content) <= limit:
            try:
                content += stream.blocking_read(READ_CHUNK_BYTES)
            except Err as error:
                # A broken connection is no error: a server that has answered must not be called again for the rest of its text.
                broken = type(error.value).__name__ != "StreamError_Closed"
                break
    return Answer(response.status(), headers, bytes(content[:limit]), broken or len(content) > limit)


def code(error: http_types.ErrorCode) -> str:
    """Returns the code's name in the WIT: `connection-refused` for `ErrorCode_ConnectionRefused`."""
    name = type(error).__name__.removeprefix("ErrorCode_")
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("-")
