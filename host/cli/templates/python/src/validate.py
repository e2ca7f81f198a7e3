"""Accepts or rejects a request before the host acknowledges it."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import store
from wit_world.imports.types import Acceptance, Problem, Request


class Validate(exports.Validate):
    def validate(self, request: Request) -> Acceptance:
        message = json.loads(request.body).get("message")
        longest = int(store.get("longest"))
        # `Err` with problems rejects the request. Any other exception is a failure of the plugin, which the host logs.
        if not isinstance(message, str):
            raise Err([Problem("/message", "invalid", "a string is expected")])
        if not message.strip():
            raise Err([Problem("/message", "required", "say what to be reminded of")])
        if len(message.strip()) > longest:
            raise Err([Problem("/message", "maximum", f"at most {longest} characters")])
        # Members that are None do not change the request.
        return Acceptance(body=json.dumps({"message": message.strip()}), target=None, trigger_at=None)
