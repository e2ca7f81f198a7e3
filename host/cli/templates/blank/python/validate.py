"""Accepts or rejects a request before it is acknowledged."""

from wit_world import exports
from wit_world.imports.types import Acceptance, Request


class Validate(exports.Validate):
    def validate(self, request: Request) -> Acceptance:
        # `raise Err([Problem("/member", "code", "a sentence")])` rejects the request: `Err` is of componentize_py_types, `Problem` of
        # wit_world.imports.types. Any other exception is a fault of the plugin: the host logs it.
        # None keeps the request's value.
        return Acceptance(body=None, target=None, trigger_at=None)
