"""Sends the accepted body to the webhook when the request is due."""

import json

from componentize_py_types import Err
from postdate_http import HttpError, send
from wit_world import exports
from wit_world.imports import store
from wit_world.imports.types import Failure, Job


class Process(exports.Process):
    def process(self, job: Job) -> str | None:
        headers = {
            "content-type": "application/json",
            "authorization": f"Bearer {store.get('SECRET_WEBHOOK_TOKEN')}",
            # A job may run more than once, always with the same id: the receiver can recognise a repetition.
            "idempotency-key": job.id,
        }
        try:
            answer = send("POST", store.get("url") or "", headers, job.body.encode(), limit=1_024)
        except HttpError as error:
            raise Err(Failure(str(error), retry=not error.refused, retry_after_seconds=None)) from error
        if 200 <= answer.status < 300:
            return json.dumps({"status": answer.status})
        # A failure shows the status only: the webhook's text may repeat the token.
        message = f"the webhook answered {answer.status}"
        if answer.status not in (408, 425, 429) and answer.status < 500:
            raise Err(Failure(message, retry=False, retry_after_seconds=None))
        # Seconds only: after a date, the wait is that of [retry].
        wait = answer.headers.get("retry-after", "")
        raise Err(Failure(message, retry=True, retry_after_seconds=int(wait) if wait.isdecimal() and len(wait) <= 6 else None))
