//! AWS's error responses. Codes, statuses and shapes differ between services; they are from each service's API reference,
//! "Errors" of the action and "Common errors".

use http_body_util::Full;
use hyper::Response;
use serde_json::{Value, json};

use super::Fault;
use crate::serve::Answer;

/// Account in the message of `AccessDenied`, which a client of the API must not see.
const SECRET_ACCOUNT: &str = "987654321098";

/// Returns the error response of a fault.
pub fn answer(fault: Fault, service: &str, action: &str, body: &Value) -> Answer {
    if fault == Fault::PartFailed {
        return part_failed(action, body);
    }
    if fault == Fault::ConcurrentModification && action == "TransactWriteItems" {
        return transaction_conflict(body);
    }
    let (status, code) = code(fault, service);
    let message = match fault {
        // AWS names these ARNs. The product must not show them to a client.
        Fault::AccessDenied => format!(
            "User: arn:aws:sts::{SECRET_ACCOUNT}:assumed-role/postdate-role/f is not authorized to perform: {service}:{action} \
             on resource: arn:aws:{service}:eu-central-1:{SECRET_ACCOUNT}:it because no identity-based policy allows the {service}:{action} action"
        ),
        _ => "injected by the test".to_owned(),
    };
    error(service, status, code, &message)
}

/// Returns AWS's answer to an invalid call.
pub fn refusal(service: &str, problems: &[String]) -> Answer {
    let code = match service {
        "sqs" | "sns" => "InvalidParameterValue",
        _ => "ValidationException",
    };
    error(service, 400, code, &problems.join("; "))
}

fn code(fault: Fault, service: &str) -> (u16, &'static str) {
    match (fault, service) {
        (Fault::Throttled, "s3") => (503, "SlowDown"),
        (Fault::Throttled, "sqs") => (400, "RequestThrottled"),
        (Fault::Throttled, "sns") => (429, "Throttled"),
        (Fault::Throttled, "lambda") => (429, "TooManyRequestsException"),
        (Fault::Throttled, "scheduler") => (429, "ThrottlingException"),
        (Fault::Throttled, _) => (400, "ThrottlingException"),
        (Fault::Internal, "events") => (500, "InternalException"),
        (Fault::Internal, "dynamodb") => (500, "InternalServerError"),
        (Fault::Internal, "scheduler") => (500, "InternalServerException"),
        (Fault::Internal, "lambda") => (500, "ServiceException"),
        (Fault::Internal, "sns" | "s3") => (500, "InternalError"),
        (Fault::ConcurrentModification, "scheduler") => (409, "ConflictException"),
        (Fault::ConcurrentModification, "dynamodb") => (400, "TransactionConflictException"),
        (Fault::ConcurrentModification, "s3") => (409, "OperationAborted"),
        (Fault::ConcurrentModification, _) => (400, "ConcurrentModificationException"),
        (Fault::LimitExceeded, "scheduler") => (402, "ServiceQuotaExceededException"),
        (Fault::LimitExceeded, "dynamodb") => (400, "RequestLimitExceeded"),
        (Fault::LimitExceeded, "sqs") => (400, "OverLimit"),
        (Fault::LimitExceeded, _) => (400, "LimitExceededException"),
        (Fault::AccessDenied, "s3") => (403, "AccessDenied"),
        (Fault::AccessDenied, "sns") => (403, "AuthorizationError"),
        (Fault::AccessDenied, "scheduler" | "lambda") => (403, "AccessDeniedException"),
        (Fault::AccessDenied, _) => (400, "AccessDeniedException"),
        (Fault::ExpiredToken, "s3") => (400, "ExpiredToken"),
        (Fault::ExpiredToken, "sns") => (403, "ExpiredToken"),
        (Fault::ExpiredToken, "scheduler" | "lambda") => (403, "ExpiredTokenException"),
        (Fault::ExpiredToken, _) => (400, "ExpiredTokenException"),
        // The other faults are no error responses, or have a shape of their own.
        _ => (500, "InternalFailure"),
    }
}

fn error(service: &str, status: u16, code: &str, message: &str) -> Answer {
    let id = "00000000-0000-4000-8000-000000000000";
    match service {
        "s3" => xml(status, &format!("<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{id}</RequestId></Error>")),
        "sns" => {
            let kind = if status < 500 { "Sender" } else { "Receiver" };
            let error = format!("<Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error>");
            xml(status, &format!("<ErrorResponse>{error}<RequestId>{id}</RequestId></ErrorResponse>"))
        }
        "scheduler" | "lambda" => json_answer(status, Some(code), &json!({ "Message": message })),
        "dynamodb" => {
            json_answer(status, None, &json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": message }))
        }
        "sqs" => json_answer(status, None, &json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": message })),
        _ => json_answer(status, None, &json!({ "__type": code, "message": message })),
    }
}

/// Returns status 200 with a failure of the first entry.
fn part_failed(action: &str, body: &Value) -> Answer {
    let failure =
        |id: Value| json!({ "TargetId": id, "ErrorCode": "ConcurrentModificationException", "ErrorMessage": "injected by the test" });
    let entry = match action {
        "PutTargets" => json!({ "FailedEntries": [failure(body["Targets"][0]["Id"].clone())] }),
        "RemoveTargets" => json!({ "FailedEntries": [failure(body["Ids"][0].clone())] }),
        "PutEvents" => json!({ "Entries": [{ "ErrorCode": "InternalFailure", "ErrorMessage": "injected by the test" }] }),
        other => panic!("{other} has no entries that could fail"),
    };
    let mut answer = entry;
    answer["FailedEntryCount"] = 1.into();
    json_answer(200, None, &answer)
}

fn transaction_conflict(body: &Value) -> Answer {
    let items = body["TransactItems"].as_array().map_or(1, Vec::len);
    let mut reasons = vec![json!({ "Code": "None" }); items];
    reasons[0] = json!({ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" });
    let code = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    let message = "Transaction cancelled, please refer cancellation reasons for specific reasons";
    json_answer(400, None, &json!({ "__type": code, "Message": message, "CancellationReasons": reasons }))
}

fn json_answer(status: u16, kind: Option<&str>, content: &Value) -> Answer {
    let mut answer = Response::builder().status(status).header("content-type", "application/x-amz-json-1.1");
    if let Some(kind) = kind {
        answer = answer.header("x-amzn-errortype", kind);
    }
    answer.body(Full::from(content.to_string())).expect("an answer")
}

fn xml(status: u16, content: &str) -> Answer {
    Response::builder().status(status).header("content-type", "text/xml").body(Full::from(content.to_owned())).expect("an answer")
}
