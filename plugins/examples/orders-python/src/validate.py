"""Example validator: decides whether an order can be taken, what it costs, and who handles it."""

import json
from collections.abc import Iterator

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import store
from wit_world.imports.types import Acceptance, Problem, Request

# What the shop sells, and the price of one in cents. Money is counted in whole cents: fractions round wrongly.
PRICES = {"book": 1_250, "pen": 300, "lamp": 4_900}


class Validate(exports.Validate):
    # Returns the acceptance; `Err` with a list of problems is the rejection. Any other exception is a fault of the plugin:
    # the host reports it with its message and place, and the client learns only that it was not its mistake.
    def validate(self, request: Request) -> Acceptance:
        order = read(request.body)
        if problems := list(check(order["item"], order["quantity"])):
            raise Err(problems)

        # An accepted body may say more than the request did: here, what the order costs.
        order["total"] = PRICES[order["item"]] * order["quantity"]
        order["currency"] = required("currency")
        # What is None stays as the request said.
        target = "heavy" if order["quantity"] > 50 else None
        return Acceptance(body=json.dumps(order), target=target, trigger_at=None)


def read(body: str) -> dict:
    """The order, if its members are of the right types. What else the client sends is kept for the processor."""
    order = json.loads(body)
    for member in ("item", "quantity"):
        if member not in order:
            raise Err([Problem("", "invalid", f"missing field `{member}`")])
    if not isinstance(order["item"], str):
        raise Err([Problem("/item", "invalid", "a string is expected")])
    # A boolean is an integer to Python.
    quantity = order["quantity"]
    if not isinstance(quantity, int) or isinstance(quantity, bool) or quantity < 0:
        raise Err([Problem("/quantity", "invalid", "a whole number is expected")])
    return order


def check(item: str, quantity: int) -> Iterator[Problem]:
    """Every reason to say no, so that a client mends all at once."""
    if item not in PRICES:
        yield Problem("/item", "unknown-item", f"the shop sells {', '.join(PRICES)}")
    if quantity < 1:
        yield Problem("/quantity", "minimum", "order one at the least")
    if quantity > 100:
        yield Problem("/quantity", "maximum", "order 100 at the most")


def required(key: str) -> str:
    """A value of the use case's config. That it is missing is the operator's fault and not the client's, so it is no
    problem of the request."""
    value = store.get(key)
    if value is None:
        raise LookupError(f"config `{key}` is missing: set it in use-case.toml")
    return value
