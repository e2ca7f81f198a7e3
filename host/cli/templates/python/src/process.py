"""Does the work, at the request's time."""

import json
import sys

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import Failure, Job


class Process(exports.Process):
    def process(self, job: Job) -> str | None:
        message = json.loads(job.body).get("message")
        # `Err` with a failure; `retry=True` would ask for another attempt.
        if not isinstance(message, str):
            raise Err(Failure(message="the body has no message", retry=False, retry_after_seconds=None))
        # Each line is a log line of the host with the correlation id. It is kept: log ids, never the customer's data.
        print(f"reminding of {job.id}, attempt {job.attempt}", file=sys.stderr)
        # A job may run more than once, always with the same id: hand it on as the key that makes the work idempotent.
        return json.dumps({"reminded": message, "attempt": job.attempt})
