//! One call of the description.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::problem::Code;

/// A call, as its lines in the frame say it.
pub struct Operation {
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    description: String,
    scope: Option<&'static str>,
    parameters: Vec<Value>,
    body: Option<Value>,
    successes: Vec<(u16, Value)>,
    codes: Vec<Code>,
}

impl Operation {
    /// Returns a call that needs the scope; with `None`, it needs no key.
    pub fn new(id: &'static str, tag: &'static str, scope: Option<&'static str>, summary: &'static str) -> Self {
        let (parameters, successes, codes) = (Vec::new(), Vec::new(), Vec::new());
        Self { id, tag, summary, description: String::new(), scope, parameters, body: None, successes, codes }
    }

    pub fn description(self, text: &str) -> Self {
        Self { description: text.to_owned(), ..self }
    }

    pub fn parameters(mut self, parameters: impl IntoIterator<Item = Value>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    pub fn body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// Adds an answer without an error.
    pub fn answers(mut self, status: u16, description: &str, media_type: &str, content: &Value) -> Self {
        let headers = json!({ "x-correlation-id": correlation_id() });
        self.successes.push((status, json!({ "description": description, "headers": headers, "content": { media_type: content } })));
        self
    }

    /// Adds a header to the answers without an error.
    pub fn with_header(mut self, name: &str, reference: &str) -> Self {
        for (_, response) in &mut self.successes {
            response["headers"][name] = json!({ "$ref": format!("#/components/headers/{reference}") });
        }
        self
    }

    /// Says that these calls take the id of the answer.
    pub fn linked(mut self, operations: &[&str]) -> Self {
        let link = |operation: &&str| {
            let id = json!({ "id": "$response.body#/correlationId" });
            ((*operation).to_owned(), json!({ "operationId": operation, "parameters": id }))
        };
        for (_, response) in &mut self.successes {
            response["links"] = operations.iter().map(link).collect::<Map<_, _>>().into();
        }
        self
    }

    pub fn fails(mut self, codes: &[&[Code]]) -> Self {
        self.codes.extend(codes.concat());
        self
    }

    /// Returns the call with each answer that it can have.
    pub fn into_value(self) -> Value {
        let mut operation = json!({ "operationId": self.id, "tags": [self.tag], "summary": self.summary });
        if !self.description.is_empty() {
            operation["description"] = json!(self.description);
        }
        operation["security"] = match self.scope {
            Some(scope) => json!([{ "key": [scope] }, {}]),
            None => json!([{}]),
        };
        if !self.parameters.is_empty() {
            operation["parameters"] = json!(self.parameters);
        }
        if let Some(body) = self.body {
            operation["requestBody"] = body;
        }
        let codes = by_status(&self.codes);
        let mut responses: BTreeMap<u16, Value> = self.successes.into_iter().collect();
        responses.extend(codes.iter().map(|(status, codes)| (*status, problem(*status, codes))));
        operation["responses"] =
            responses.into_iter().map(|(status, response)| (status.to_string(), response)).collect::<Map<_, _>>().into();
        operation["x-problem-codes"] =
            codes.into_iter().map(|(status, codes)| (status.to_string(), json!(codes))).collect::<Map<_, _>>().into();
        operation
    }
}

/// Returns the call `HEAD` beside a `GET`: the same answers without their bodies.
pub fn head(get: &Value) -> Value {
    let mut head = get.clone();
    let id = get["operationId"].as_str().unwrap_or_default();
    head["operationId"] = json!(format!("head{}{}", id[..1].to_uppercase(), &id[1..]));
    head["summary"] = json!(format!("{} (headers only)", get["summary"].as_str().unwrap_or_default()));
    // The codes are those of GET.
    head.as_object_mut().map(|head| head.shift_remove("x-problem-codes"));
    for response in head["responses"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        *response = json!({ "description": response["description"], "headers": { "x-correlation-id": correlation_id() } });
    }
    head
}

/// Returns the answers that calls share: problems, by the header that comes with them.
pub fn shared_responses() -> Value {
    let problem = |more: &[(&str, &str)]| {
        let mut headers = json!({ "x-correlation-id": correlation_id() });
        for (name, header) in more {
            headers[name] = json!({ "$ref": format!("#/components/headers/{header}") });
        }
        let content = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
        json!({ "description": "A problem.", "headers": headers, "content": content })
    };
    json!({
        "Problem": problem(&[]),
        "NoKey": problem(&[("www-authenticate", "Authenticate")]),
        "NotNow": problem(&[("retry-after", "RetryAfter")]),
    })
}

fn correlation_id() -> Value {
    json!({ "$ref": "#/components/headers/CorrelationId" })
}

/// Returns the codes of a call by the statuses that they come with.
fn by_status(codes: &[Code]) -> BTreeMap<u16, Vec<&'static str>> {
    let mut by_status = BTreeMap::<u16, Vec<&str>>::new();
    for code in codes {
        for status in code.statuses().iter().filter(|status| !is_of_another_call(*code, **status, codes)) {
            let listed = by_status.entry(*status).or_default();
            if !listed.contains(&code.as_str()) {
                listed.push(code.as_str());
            }
        }
    }
    by_status
}

/// Returns whether no call with all these codes answers with the status: only the body of a request can be gone (410), and a body is
/// read by no call that changes a request (409).
fn is_of_another_call(code: Code, status: u16, all: &[Code]) -> bool {
    code == Code::Erased && (status == 410) == (all.contains(&Code::NotFailed) || all.contains(&Code::Running))
}

fn problem(status: u16, codes: &[&str]) -> Value {
    let shared = match status {
        401 => "NoKey",
        429 | 503 => "NotNow",
        _ => "Problem",
    };
    let description = codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ");
    json!({ "$ref": format!("#/components/responses/{shared}"), "description": description })
}
