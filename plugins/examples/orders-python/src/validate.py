"""Example validator: accepts or rejects an order, and sets its price and its target."""

import json
from collections.abc import Iterator

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import store
from wit_world.imports.types import Acceptance, Problem, Request

# Price of each item, in whole cents: fractions would bring rounding errors.
PRICES = {"book": 1_250, "pen": 300, "lamp": 4_900}


class Validate(exports.Validate):
    # Returns the acceptance, or raises `Err` with a list of problems to reject. Any other exception is a fault of the plugin. The
    # host logs its message and its place in the source; the client gets neither.
    def validate(self, request: Request) -> Acceptance:
        order = read(request.body)
        if problems := list(check(order["item"], order["quantity"])):
            raise Err(problems)

        # The processor gets this body instead of the request's: here, with the price of the order.
        order["total"] = PRICES[order["item"]] * order["quantity"]
        order["currency"] = required("currency")
        # None keeps the request's value.
        target = "heavy" if order["quantity"] > 50 else None
        return Acceptance(body=json.dumps(order), target=target, trigger_at=None)


def read(body: str) -> dict:
    """Parses the order and checks the types of the members that the rules use. Keeps other members for the processor."""
    order = json.loads(body)
    for member in ("item", "quantity"):
        if member not in order:
            raise Err([Problem("", "invalid", f"missing field `{member}`")])
    if not isinstance(order["item"], str):
        raise Err([Problem("/item", "invalid", "a string is expected")])
    # In Python a boolean is an integer, too.
    quantity = order["quantity"]
    if not isinstance(quantity, int) or isinstance(quantity, bool) or quantity < 0:
        raise Err([Problem("/quantity", "invalid", "a whole number is expected")])
    return order


def check(item: str, quantity: int) -> Iterator[Problem]:
    """Yields each reason to reject the order, so that the client can correct all of them at once."""
    if item not in PRICES:
        yield Problem("/item", "unknown-item", f"the shop sells {', '.join(PRICES)}")
    if quantity < 1:
        yield Problem("/quantity", "minimum", "order at least 1")
    if quantity > 100:
        yield Problem("/quantity", "maximum", "order at most 100")


def required(key: str) -> str:
    """Returns a value of the use case's config. A missing value is an error and not a problem, since the operator has to
    correct it."""
    value = store.get(key)
    if value is None:
        raise LookupError(f"config `{key}` is missing: set it in use-case.toml")
    return value
