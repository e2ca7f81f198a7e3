"""What Schemathesis needs to know of Postdate beside schemas/openapi.json."""

import schemathesis


@schemathesis.serializer("application/x-tar")
def archive(ctx: schemathesis.SerializationContext, value: object) -> bytes:
    """Sends what was generated for an archive as it is."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.check
def problem_code_conformance(ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """The code of a problem is one that the call lists for the status."""
    listed = case.operation.definition.raw.get("x-problem-codes")
    if response.status_code < 400 or listed is None or case.method != case.operation.method.upper():
        return
    code = response.json().get("code")
    assert code in listed.get(str(response.status_code), []), f"{response.status_code} has the code {code}, which x-problem-codes lacks"


@schemathesis.check
def host_does_not_fail(ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """No call makes the host fail. A host that is busy answers 503."""
    assert response.status_code != 500, response.text
