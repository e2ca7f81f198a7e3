"""Example validator: accepts or rejects an order, and computes its price and its target."""

import json
from collections.abc import Iterator

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import store
from wit_world.imports.types import Acceptance, Problem, Request

# Items of the shop, with the price of one in cents. Amounts are whole cents, since fractions have rounding errors.
PRICES = {"book": 1_250, "pen": 300, "lamp": 4_900}


class Validate(exports.Validate):
    # Returns the acceptance, or raises `Err` with a list of problems as the rejection. Any other exception is a failure of the
    # plugin: the host reports its message and traceback, and the client gets a server error.
    def validate(self, request: Request) -> Acceptance:
        order = read(request.body)
        if problems := list(check(order["item"], order["quantity"])):
            raise Err(problems)

        # An accepted body may have more members than the request: here, the price.
        order["total"] = PRICES[order["item"]] * order["quantity"]
        order["currency"] = required("currency")
        # Members of the acceptance that are None do not change the request.
        target = "heavy" if order["quantity"] > 50 else None
        return Acceptance(body=json.dumps(order), target=target, trigger_at=None)


def read(body: str) -> dict:
    """Returns the order, or raises the problem of a member with a wrong type. Keeps other members for the processor."""
    order = json.loads(body)
    for member in ("item", "quantity"):
        if member not in order:
            raise Err([Problem("", "invalid", f"missing field `{member}`")])
    if not isinstance(order["item"], str):
        raise Err([Problem("/item", "invalid", "a string is expected")])
    # In Python, a boolean is an integer as well.
    quantity = order["quantity"]
    if not isinstance(quantity, int) or isinstance(quantity, bool) or quantity < 0:
        raise Err([Problem("/quantity", "invalid", "a whole number is expected")])
    return order


def check(item: str, quantity: int) -> Iterator[Problem]:
    """Yields every problem, so that a client can correct all at once."""
    if item not in PRICES:
        yield Problem("/item", "unknown-item", f"the shop sells {', '.join(PRICES)}")
    if quantity < 1:
        yield Problem("/quantity", "minimum", "order one at the least")
    if quantity > 100:
        yield Problem("/quantity", "maximum", "order 100 at the most")


def required(key: str) -> str:
    """Returns a value of the use case's config. A missing value is an error of the operator, not a problem of the request."""
    value = store.get(key)
    if value is None:
        raise LookupError(f"config `{key}` is missing: set it in use-case.toml")
    return value
