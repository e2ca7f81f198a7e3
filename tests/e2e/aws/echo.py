"""A Lambda for the tests of the bench: returns the event with the clock, the deadline, the ARN and the process id.

{"fail": "why"} raises an error, {"wait": seconds} sleeps first. An SQS event reports messages with "fail" in the body as failed.
"""

import http.client
import json
import os
import time

HOST, BASE = os.environ["AWS_LAMBDA_RUNTIME_API"].removeprefix("http://").split("/", 1)


def call(method, path, body=None):
    connection = http.client.HTTPConnection(HOST)
    connection.request(method, f"/{BASE}/2018-06-01/runtime/invocation/{path}", body)
    answer = connection.getresponse()
    return answer, answer.read()


def handle(event, headers):
    print(json.dumps({"message": "got it", "event": event}), flush=True)
    time.sleep(event.get("wait", 0))
    if "fail" in event:
        raise ValueError(event["fail"])
    seen = {"event": event, "now": time.time(), "process": os.getpid()}
    seen["deadline"] = int(headers["lambda-runtime-deadline-ms"]) / 1000
    seen["arn"] = headers["lambda-runtime-invoked-function-arn"]
    if "requestContext" in event:
        # All members, as lambda_http writes them: cargo-lambda refuses an answer that lacks one.
        answer = {"statusCode": 202, "headers": {"x-seen": "yes"}, "multiValueHeaders": {}, "cookies": []}
        return {**answer, "body": json.dumps(seen), "isBase64Encoded": False}
    if "Records" in event:
        failed = [record["messageId"] for record in event["Records"] if "fail" in json.loads(record["body"])]
        return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}
    return seen


while True:
    invocation, body = call("GET", "next")
    request = invocation.getheader("lambda-runtime-aws-request-id")
    try:
        call("POST", f"{request}/response", json.dumps(handle(json.loads(body), invocation.headers)))
    except ValueError as error:
        call("POST", f"{request}/error", json.dumps({"errorType": "ValueError", "errorMessage": str(error)}))
