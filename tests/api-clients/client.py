"""Submits a request, reads it, finds it in a list, and cancels it: client.py URL KEY. Prints the id of the request."""

import sys

from postdate_client import AuthenticatedClient
from postdate_client.api.requests import cancel_request, get_request, list_requests, submit
from postdate_client.models import Acknowledgement, Event, Problem, Request, RequestList, Status, Submission
from postdate_client.types import UNSET, Unset


def main(url: str, key: str) -> None:
    with AuthenticatedClient(base_url=url, token=key) as api:
        body = Submission.from_dict({"item": "book", "quantity": 2, "delay": "P7D"})
        submitted = submit.sync("orders", client=api, body=body, idempotency_key="order-4711")
        assert isinstance(submitted, Acknowledgement), submitted
        id = submitted.correlation_id

        found = get_request.sync(id, client=api)
        assert isinstance(found, Request), found
        assert found.status == Status.SCHEDULED, found
        assert not isinstance(found.history, Unset), found
        assert [line.event for line in found.history] == [Event.ACCEPTED], found

        ids = []
        cursor: str | Unset = UNSET
        while True:
            page = list_requests.sync(client=api, use_case="orders", status=Status.SCHEDULED, limit=1, cursor=cursor)
            assert isinstance(page, RequestList), page
            ids += [request.correlation_id for request in page.requests]
            if isinstance(page.next_cursor, Unset):
                break
            cursor = page.next_cursor
        assert id in ids, f"{id} is not in the list {ids}"

        cancelled = cancel_request.sync(id, client=api)
        assert isinstance(cancelled, Request) and cancelled.status == Status.CANCELLED, cancelled

        again = cancel_request.sync(id, client=api)
        assert isinstance(again, Problem) and again.code == "not-scheduled", again
        assert again.request_status == Status.CANCELLED, again
        print(id)


if __name__ == "__main__":
    main(*sys.argv[1:])
