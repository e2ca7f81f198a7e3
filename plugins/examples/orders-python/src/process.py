"""Example processor: returns a receipt for the order."""

import json
import sys

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import Failure, Job


class Process(exports.Process):
    # Returns the result, or raises `Err` with the failure.
    def process(self, job: Job) -> str | None:
        order = json.loads(job.body)
        for member in ("total", "currency"):
            if member not in order:
                # Permanent, since the next attempt has the same body.
                raise Err(Failure(message=f"body: missing field `{member}`", retry=False, retry_after_seconds=None))

        # The host logs each line with the correlation id. Log ids, never data of a customer.
        print(f"placing order {job.id}, attempt {job.attempt}", file=sys.stderr)

        # A job may run more than once, for example after a crash, always with the same id. The receipt number is derived from
        # the id, so it is the same in each run. A real shop would store the id as a unique key, which makes the order
        # idempotent.
        receipt = f"R-{job.id.rsplit('-')[-1]}"
        return json.dumps({"receipt": receipt, "total": order["total"], "currency": order["currency"]})
