//! Reads an HTTP request as a call of AWS: service, operation and input.

use hyper::Request;
use hyper::body::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::Model;
use super::check::{check, wire_name};

/// A call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Service of the credential scope: `dynamodb`, `events`, `states`.
    pub service: String,
    /// Operation: `PutRule`. Method and path of a request that is no operation of the service.
    pub action: String,
    /// The input, with the members of the model: also those that travel in path, query, headers or a form.
    pub body: Value,
    /// Breaches of the model.
    pub problems: Vec<String>,
}

/// Reads and checks a request.
pub fn read(request: &Request<Bytes>) -> Call {
    let service = service(request).unwrap_or("unknown").to_owned();
    let (method, path) = (request.method(), request.uri().path());
    let mut problems = Vec::new();
    let Some(model) = Model::of(&service) else {
        problems.push(format!("there is no model for the service `{service}`"));
        return Call { service, action: format!("{method} {path}"), body: Value::Null, problems };
    };
    let found = match model.protocol() {
        "json" => json(model, request, &mut problems),
        "query" => query(model, request, &mut problems),
        _ => rest(model, request, &mut problems),
    };
    let Some((action, body)) = found else {
        problems.push(format!("{method} {} is no operation of {service}", request.uri()));
        return Call { service, action: format!("{method} {path}"), body: Value::Null, problems };
    };
    if let Some(operation) = model.operation(&action) {
        let (shape, mut renamed) = (model.input(operation), Map::new());
        // The outermost members have the model's names in `body`. `check` expects those of a body.
        for (name, value) in body.as_object().into_iter().flatten() {
            renamed.insert(wire_name(name, &shape["members"][name]).to_owned(), value.clone());
        }
        if !shape.is_null() {
            check(model, shape, "", &Value::Object(renamed), &mut problems);
        }
    }
    Call { service, action, body, problems }
}

/// Returns the service in the signature's credential scope, `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
fn service(request: &Request<Bytes>) -> Option<&str> {
    let (_, credential) = header(request, "authorization")?.split_once("Credential=")?;
    credential.split(',').next()?.split('/').nth(3)
}

/// The JSON protocol: a header names the operation, the body is the input.
fn json(model: &Model, request: &Request<Bytes>, problems: &mut Vec<String>) -> Option<(String, Value)> {
    let (prefix, action) = header(request, "x-amz-target")?.rsplit_once('.')?;
    (prefix == model.metadata("targetPrefix") && model.operation(action).is_some()).then_some(())?;
    Some((action.to_owned(), body(request, problems)))
}

/// The query protocol: a form, whose flat names stand for nested members.
fn query(model: &Model, request: &Request<Bytes>, problems: &mut Vec<String>) -> Option<(String, Value)> {
    let mut fields = form(&String::from_utf8_lossy(request.body()));
    let action = fields.remove("Action")?.as_str()?.to_owned();
    let operation = model.operation(&action)?;
    let (version, expected) = (fields.remove("Version").unwrap_or_default(), model.metadata("apiVersion"));
    if version != expected {
        problems.push(format!("Version is {version}, and not {expected}"));
    }
    let mut tree = Value::Object(Map::new());
    for (name, value) in fields {
        name.split('.').fold(&mut tree, |node, part| &mut node[part]).clone_from(&value);
    }
    Some((action, unfolded(model, model.input(operation), &tree)))
}

/// Returns the value that a tree of a form's names stands for.
fn unfolded(model: &Model, shape: &Value, tree: &Value) -> Value {
    let numbered = |name: &str| {
        let mut items: Vec<(u32, &Value)> =
            tree[name].as_object().into_iter().flatten().filter_map(|(index, item)| Some((index.parse().ok()?, item))).collect();
        items.sort_by_key(|(index, _)| *index);
        items.into_iter().map(|(_, item)| item)
    };
    match (shape["type"].as_str(), tree.as_object()) {
        (Some("structure"), Some(members)) => {
            let member = |name: &str| model.shape_of(&shape["members"][name]);
            members.iter().map(|(name, value)| (name.clone(), unfolded(model, member(name), value))).collect::<Map<_, _>>().into()
        }
        (Some("list"), Some(_)) => numbered("member").map(|item| unfolded(model, model.shape_of(&shape["member"]), item)).collect(),
        (Some("map"), Some(_)) => {
            let (key, value) = (wire_name("key", &shape["key"]), wire_name("value", &shape["value"]));
            let entry = |item: &Value| {
                (item[key].as_str().unwrap_or_default().to_owned(), unfolded(model, model.shape_of(&shape["value"]), &item[value]))
            };
            numbered("entry").map(entry).collect::<Map<_, _>>().into()
        }
        _ => typed(shape, tree),
    }
}

/// The REST protocols: method and path name the operation. Path, query, headers and body have the input.
fn rest(model: &Model, request: &Request<Bytes>, problems: &mut Vec<String>) -> Option<(String, Value)> {
    let mut parameters = form(request.uri().query().unwrap_or_default());
    let operations = model.0["operations"].as_object()?;
    let fitting = operations.iter().filter_map(|(name, operation)| {
        let (rank, path) = fit(model, operation, request, &parameters)?;
        Some((rank, name, operation, path))
    });
    let (_, action, operation, mut path) = fitting.max_by_key(|(rank, ..)| *rank)?;
    let (shape, mut input) = (model.input(operation), Map::new());
    for literal in literals(operation) {
        parameters.remove(literal.0);
    }
    let content = if shape["payload"].is_null() && model.protocol() == "rest-json" && !request.body().is_empty() {
        body(request, problems)
    } else {
        Value::Null
    };
    let mut content = if let Value::Object(content) = content { content } else { Map::new() };
    for (name, member) in shape["members"].as_object().into_iter().flatten() {
        let key = wire_name(name, member);
        let value = match member["location"].as_str() {
            Some("uri") => path.remove(key),
            Some("querystring") => parameters.remove(key),
            Some("header") => header(request, key).map(Value::from),
            Some(_) => None,
            None if shape["payload"] == *name => payload(model, member, request),
            None => content.remove(key),
        };
        if let Some(value) = value {
            input.insert(name.clone(), typed(model.shape_of(member), &value));
        }
    }
    // The SDKs name S3's operations once more. No model has this parameter.
    if parameters.get("x-id").is_some_and(|id| id == action) {
        parameters.remove("x-id");
    }
    // The rest is no member.
    input.extend(parameters);
    input.extend(content);
    Some((action.clone(), Value::Object(input)))
}

/// Returns the values in the path, and how closely a request fits an operation: its literals of the query, then its required
/// members outside the body. `None` if the request is another operation.
fn fit(
    model: &Model,
    operation: &Value,
    request: &Request<Bytes>,
    query: &Map<String, Value>,
) -> Option<((usize, usize), Map<String, Value>)> {
    (operation["http"]["method"] == request.method().as_str()).then_some(())?;
    let template = operation["http"]["requestUri"].as_str()?.split('?').next()?;
    let mut segments = request.uri().path().split('/').skip(1);
    let mut path = Map::new();
    for part in template.split('/').skip(1) {
        let segment = segments.next().filter(|segment| !segment.is_empty())?;
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) if name.ends_with('+') => {
                let rest: Vec<&str> = std::iter::once(segment).chain(segments.by_ref()).collect();
                path.insert(name.trim_end_matches('+').to_owned(), decoded(&rest.join("/"), false).into());
            }
            Some(name) => drop(path.insert(name.to_owned(), decoded(segment, false).into())),
            None => (part == segment).then_some(())?,
        }
    }
    segments.all(str::is_empty).then_some(())?;
    let literals: Vec<_> = literals(operation).collect();
    literals.iter().all(|(name, value)| query.get(*name).is_some_and(|given| given == value)).then_some(())?;
    let shape = model.input(operation);
    let mut required = 0;
    for name in shape["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let member = &shape["members"][name];
        let key = wire_name(name, member);
        let has = match member["location"].as_str() {
            Some("querystring") => query.contains_key(key),
            Some("header") => header(request, key).is_some(),
            _ => continue,
        };
        has.then_some(())?;
        required += 1;
    }
    Some(((literals.len(), required), path))
}

/// Returns the fixed parameters of an operation, such as `list-type=2`.
fn literals(operation: &Value) -> impl Iterator<Item = (&str, &str)> {
    let query = operation["http"]["requestUri"].as_str().and_then(|uri| uri.split_once('?')).map_or("", |(_, query)| query);
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Returns a payload that is text or bytes. A payload in XML is not read.
fn payload(model: &Model, member: &Value, request: &Request<Bytes>) -> Option<Value> {
    let plain = matches!(model.shape_of(member)["type"].as_str(), Some("blob" | "string"));
    plain.then(|| String::from_utf8_lossy(request.body()).into_owned().into())
}

/// Returns the value of a text of a path, a query, a header or a form. A text that is no value of its type stays a text.
fn typed(shape: &Value, value: &Value) -> Value {
    let Value::String(text) = value else { return value.clone() };
    match shape["type"].as_str() {
        Some("integer" | "long") => text.parse::<i64>().map_or_else(|_| value.clone(), Value::from),
        Some("boolean") => text.parse::<bool>().map_or_else(|_| value.clone(), Value::from),
        _ => value.clone(),
    }
}

/// Returns the JSON object of a body.
fn body(request: &Request<Bytes>, problems: &mut Vec<String>) -> Value {
    serde_json::from_slice(request.body()).ok().filter(Value::is_object).unwrap_or_else(|| {
        problems.push("the body is no JSON object".to_owned());
        Value::Object(Map::new())
    })
}

fn header<'a>(request: &'a Request<Bytes>, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// Returns the fields of a query or a form.
fn form(text: &str) -> Map<String, Value> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (decoded(name, true), decoded(value, true).into())).collect()
}

/// Decodes percent signs, and in a form also `+`.
fn decoded(text: &str, is_form: bool) -> String {
    let text = if is_form { text.replace('+', " ") } else { text.to_owned() };
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}
