"""Example processor: places the order and returns a receipt."""

import json
import sys

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import Failure, Job


class Process(exports.Process):
    # Returns the result, or raises `Err` with a failure.
    def process(self, job: Job) -> str | None:
        order = json.loads(job.body)
        for member in ("total", "currency"):
            if member not in order:
                # Permanent: the next attempt would get the same body.
                raise Err(Failure(message=f"body: missing field `{member}`", retry=False, retry_after_seconds=None))

        # The host logs each line with the correlation id. Log ids, never the customer's data.
        print(f"placing order {job.id}, attempt {job.attempt}", file=sys.stderr)

        # A job may run more than once, for instance after a crash, always with the same id. The receipt number is made from
        # the id, so it is the same each time. A real shop would use the id as the idempotency key in its database.
        receipt = f"R-{job.id.rsplit('-')[-1]}"
        return json.dumps({"receipt": receipt, "total": order["total"], "currency": order["currency"]})
