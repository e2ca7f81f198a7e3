"""Does the work at the trigger time of the request."""

import json
import sys

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import Failure, Job


class Process(exports.Process):
    def process(self, job: Job) -> str | None:
        message = json.loads(job.body).get("message")
        # Raises `Err` with a failure; with `retry=True`, the host makes another attempt.
        if not isinstance(message, str):
            raise Err(Failure(message="the body has no message", retry=False, retry_after_seconds=None))
        # The host logs each line with the correlation id, and keeps its log. Log ids, never data of a customer.
        print(f"reminding of {job.id}, attempt {job.attempt}", file=sys.stderr)
        # A job may run more than once, always with the same id: use it as the key that makes the work idempotent.
        return json.dumps({"reminded": message, "attempt": job.attempt})
