"""Accepts or rejects a request before it is acknowledged: first its key, then its body."""

import hmac
import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import store
from wit_world.imports.types import Acceptance, Problem, Request


class Validate(exports.Validate):
    def validate(self, request: Request) -> Acceptance:
        # A secret arrives under its own name, like config. Behind an authorizer, check a claim of `request.caller` instead.
        expected = store.get("SECRET_CLIENT_KEY") or ""
        given = dict(request.headers).get("x-client-key", "")
        # `Err` with a list of problems rejects the request. Any other exception is a fault of the plugin: the host logs it.
        # The time of `compare_digest` does not tell how much of a guess is right.
        if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
            raise Err([Problem("", "unauthorized", "the header x-client-key is missing or wrong")])
        event = json.loads(request.body).get("event")
        if not isinstance(event, str):
            raise Err([Problem("/event", "invalid", "a string is expected")])
        if not event:
            raise Err([Problem("/event", "required", "the event has no name")])
        # None keeps the request's value.
        return Acceptance(body=None, target=None, trigger_at=None)
