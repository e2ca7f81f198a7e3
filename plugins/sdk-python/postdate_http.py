"""Outgoing HTTP requests over wasi:http, for processors whose use case grants `allow-http`.

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

# Most bytes that `blocking-write-and-flush` of wasi:io accepts at once.
WRITE_CHUNK_BYTES = 4_096
READ_CHUNK_BYTES = 65_536

# Codes of wasi:http for a request that the host refuses.
REFUSED = ("http-request-denied", "destination-ip-prohibited")


@dataclass
class Answer:
    """An answer of the server. Names of headers are in lower case; of several headers with one name, only the last is kept."""

    status: int
    headers: dict[str, str]
    # At most `limit` bytes: see `send`. `truncated` is true if the body is longer.
    body: bytes
    truncated: bool


class HttpError(Exception):
    """There is no answer. `code` is the error code of wasi:http, such as `connection-refused`. `refused` is true if the host
    refuses the destination, which is not in `allow-http` or is a private address; another attempt does not help then.
    """

    def __init__(self, code: str):
        super().__init__(f"the host refused the request: {code}" if code in REFUSED else f"no answer: {code}")
        self.code = code
        self.refused = code in REFUSED


def send(method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"", limit: int = 1 << 20) -> Answer:
    """Sends a request, and reads the answer with at most `limit` bytes of its body. Does not follow redirects.

    Returns an answer with any status. Raises `HttpError` if there is no answer, and `ValueError` if the request is not valid:
    `url` must be absolute, without user name and password.
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
    # A server may answer and close the connection before it has read the body; its answer counts then.
    try:
        write(outgoing, body)
    except Err:
        pass
    return read(wait(pending), limit)


def parts(url: str) -> tuple[http_types.Scheme, str, str]:
    """Returns scheme, authority, and path with query. Raises `ValueError` if the URL is not valid."""
    if any(letter.isspace() or not letter.isprintable() for letter in url):
        raise ValueError("the URL has a space or a control character: encode it")
    split = urlsplit(url)
    if split.scheme not in ("http", "https") or not split.netloc:
        raise ValueError("the URL is not absolute with http or https")
    if "@" in split.netloc:
        raise ValueError("the URL has a user name or password: send a header instead")
    scheme = http_types.Scheme_Https() if split.scheme == "https" else http_types.Scheme_Http()
    return scheme, split.netloc, (split.path or "/") + (f"?{split.query}" if split.query else "")


def fields(method: str, headers: Mapping[str, str], body: bytes) -> http_types.Fields:
    given = http_types.Fields()
    # Without `content-length`, the body is sent in chunks, which some receivers of webhooks do not read.
    length = {"content-length": str(len(body))} if body or method not in ("GET", "HEAD") else {}
    for name, value in {**headers, **length}.items():
        try:
            given.append(name, value.encode())
        except Err as error:
            raise ValueError(f"header {name!r} is not valid, or the host sets it itself") from error
    return given


def write(outgoing: OutgoingBody, body: bytes) -> None:
    # The stream is a child resource of the body, and must be closed before the body is finished.
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
        # A conforming host is never ready without a value, and `get` is called once.
        case _:
            raise HttpError("internal-error")


def read(response: IncomingResponse, limit: int) -> Answer:
    headers = {name.lower(): value.decode(errors="replace") for name, value in response.headers().entries()}
    content = bytearray()
    with response.consume() as incoming, incoming.stream() as stream:
        while len(content) <= limit:
            try:
                content += stream.blocking_read(READ_CHUNK_BYTES)
            except Err as error:
                if type(error.value).__name__ == "StreamError_Closed":
                    break
                raise HttpError("http-response-incomplete") from error
    return Answer(response.status(), headers, bytes(content[:limit]), len(content) > limit)


def code(error: http_types.ErrorCode) -> str:
    """Returns the code's name in the WIT: `connection-refused` for `ErrorCode_ConnectionRefused`."""
    name = type(error).__name__.removeprefix("ErrorCode_")
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("-")
