"""Does the work when the request is due."""

import sys

from wit_world import exports
from wit_world.imports.types import Job


class Process(exports.Process):
    def process(self, job: Job) -> str | None:
        # `raise Err(Failure(message="...", retry=True, retry_after_seconds=None))` asks for another attempt: `Err` is of
        # componentize_py_types, `Failure` of wit_world.imports.types.
        # The host logs each line with the correlation id. Log ids, never the customer's data.
        print(f"processing {job.id}, attempt {job.attempt}", file=sys.stderr)
        # A job may run more than once, always with the same id. Use the id as the idempotency key of the work.
        return None
