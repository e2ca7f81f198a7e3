"""Does the work when the request is due."""

import json
import sys

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import Failure, Job


class Process(exports.Process):
    def process(self, job: Job) -> str | None:
        message = json.loads(job.body).get("message")
        # `Err` with a failure ends the attempt. With `retry=True` the failure asks for another attempt.
        if not isinstance(message, str):
            raise Err(Failure(message="the body has no message", retry=False, retry_after_seconds=None))
        # The host logs each line with the correlation id. Log ids, never the customer's data.
        print(f"reminding of {job.id}, attempt {job.attempt}", file=sys.stderr)
        # A job may run more than once, always with the same id. Use the id as the idempotency key of the work.
        return json.dumps({"reminded": message, "attempt": job.attempt})
