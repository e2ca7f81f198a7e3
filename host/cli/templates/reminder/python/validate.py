"""Accepts or rejects a request before it is acknowledged."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import store
from wit_world.imports.types import Acceptance, Problem, Request


class Validate(exports.Validate):
    def validate(self, request: Request) -> Acceptance:
        message = json.loads(request.body).get("message")
        longest = store.get("longest") or ""
        if not longest.isdecimal():
            raise ValueError("config `longest` is not a number: set it in use-case.toml")
        # `Err` with a list of problems rejects the request. Any other exception is a fault of the plugin: the host logs it.
        if not isinstance(message, str):
            raise Err([Problem("/message", "invalid", "a string is expected")])
        if not message.strip():
            raise Err([Problem("/message", "required", "the message is empty")])
        if len(message.strip()) > int(longest):
            raise Err([Problem("/message", "maximum", f"at most {longest} characters")])
        # None keeps the request's value.
        return Acceptance(body=json.dumps({"message": message.strip()}), target=None, trigger_at=None)
