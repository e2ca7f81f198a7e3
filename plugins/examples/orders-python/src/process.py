"""Example processor: places the order and returns a receipt."""

import json
import sys

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import Failure, Job


class Process(exports.Process):
    # Returns the result; `Err` with a failure is the failure.
    def process(self, job: Job) -> str | None:
        order = json.loads(job.body)
        for member in ("total", "currency"):
            if member not in order:
                # Permanent: the next attempt would see the same body.
                raise Err(Failure(message=f"body: missing field `{member}`", retry=False, retry_after_seconds=None))

        # Each line becomes a log line of the host with the correlation id. Log ids, never the customer's data.
        print(f"placing order {job.id}, attempt {job.attempt}", file=sys.stderr)

        # A job may run more than once (a crash in the middle of it), always with the same id. A receipt number made from
        # the id is the same each time; a real shop would hand the id to its database as the key that makes placing
        # idempotent.
        receipt = f"R-{job.id.rsplit('-')[-1]}"
        return json.dumps({"receipt": receipt, "total": order["total"], "currency": order["currency"]})
