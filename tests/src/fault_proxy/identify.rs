//! Identifies service and action of an HTTP request, as AWS does.

use hyper::body::Bytes;
use hyper::{Method, Request};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Returns service, action and body of a call, as in [`super::Recorded`].
pub fn identify(request: &Request<Bytes>) -> (String, String, Value) {
    let service = service(request).unwrap_or("unknown").to_owned();
    let mut body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    if let Some(target) = header(request, "x-amz-target") {
        let action = target.rsplit_once('.').map_or(target, |(_, action)| action);
        return (service, action.to_owned(), body);
    }
    let path = request.uri().path();
    let segments: Vec<String> = path.split('/').skip(1).map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let method = request.method();
    let query = form(request.uri().query().unwrap_or_default());
    let action = match service.as_str() {
        "scheduler" => scheduler(method, &segments, &query, &mut body),
        "s3" => s3(method, &segments, &query, &mut body),
        "lambda" if segments.last() == Some(&"invocations") => "Invoke".to_owned(),
        _ => {
            body = Value::Object(form(&String::from_utf8_lossy(request.body())));
            body["Action"].as_str().map_or_else(|| format!("{method} {path}"), str::to_owned)
        }
    };
    (service, action, body)
}

/// Returns the service in the signature's credential scope, `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
fn service(request: &Request<Bytes>) -> Option<&str> {
    let (_, credential) = header(request, "authorization")?.split_once("Credential=")?;
    credential.split(',').next()?.split('/').nth(3)
}

fn scheduler(method: &Method, segments: &[&str], query: &Map<String, Value>, body: &mut Value) -> String {
    let verb = match *method {
        Method::POST => "Create",
        Method::PUT => "Update",
        Method::DELETE => "Delete",
        _ => "Get",
    };
    if !body.is_object() {
        *body = Value::Object(Map::new());
    }
    match segments {
        ["schedules", name] => {
            body["Name"] = (*name).into();
            if let Some(group) = query.get("groupName") {
                body["GroupName"] = group.clone();
            }
            format!("{verb}Schedule")
        }
        ["schedule-groups", name] => {
            body["Name"] = (*name).into();
            format!("{verb}ScheduleGroup")
        }
        ["schedules"] => "ListSchedules".to_owned(),
        ["schedule-groups"] => "ListScheduleGroups".to_owned(),
        _ => format!("{method} /{}", segments.join("/")),
    }
}

fn s3(method: &Method, segments: &[&str], query: &Map<String, Value>, body: &mut Value) -> String {
    let bucket = segments.first().copied().unwrap_or_default();
    let key = segments.get(1..).unwrap_or_default().join("/");
    let object = if key.is_empty() { "" } else { "Object" };
    *body = Value::Object(query.clone());
    body["Bucket"] = bucket.into();
    body["Key"] = key.clone().into();
    match *method {
        Method::GET if key.is_empty() && query.get("list-type").is_some_and(|kind| kind == "2") => "ListObjectsV2".to_owned(),
        Method::GET if key.is_empty() => "GetBucket".to_owned(),
        Method::GET => "GetObject".to_owned(),
        Method::HEAD => format!("Head{}", if key.is_empty() { "Bucket" } else { object }),
        Method::PUT => format!("Put{object}"),
        Method::DELETE => format!("Delete{object}"),
        _ => format!("{method} {object}"),
    }
}

fn header<'a>(request: &'a Request<Bytes>, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// Returns the fields of a query or a form.
fn form(text: &str) -> Map<String, Value> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(name, value)| (decoded(name), decoded(value).into())).collect()
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests;
