//! Rights of callers: scopes, owners, use cases.

use http::Request;
use serde_json::json;

use super::{Client, ORDERS, Reply, request, with_header};
use crate::access::{Caller, Scope};
use crate::id::CorrelationId;
use crate::ports::LedgerError;
use crate::testing::{FakeBundle, sample_id};

const SOON: &str = r#"{"delay":"PT60S"}"#;

/// Returns a caller with a name, these scopes, and a view of its own requests.
fn caller(name: &str, scopes: &[Scope]) -> Caller {
    Caller {
        name: Some(name.to_owned()),
        scopes: scopes.iter().copied().collect(),
        own_only: true,
        key_space: Some(name.to_owned()),
        use_cases: None,
    }
}

fn team(name: &str) -> Caller {
    caller(name, &[Scope::Submit, Scope::Read, Scope::Change])
}

fn listed(client: &Client) -> Vec<String> {
    let body = client.get("/requests").body;
    body["requests"].as_array().unwrap().iter().map(|request| request["correlationId"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_call_needs_its_scope_and_names_it() {
    let client = Client::of_orders();
    let one = format!("/requests/{}", client.accepted(SOON));
    for (method, path, scope) in [
        ("POST", "/requests/orders", Scope::Submit),
        ("GET", "/requests", Scope::Read),
        ("GET", "/use-cases", Scope::Read),
        ("GET", "/use-cases/orders", Scope::Read),
        ("GET", "/use-cases/orders/versions", Scope::Read),
        ("GET", &one, Scope::Read),
        ("PATCH", &one, Scope::Change),
        ("DELETE", &one, Scope::Change),
        ("POST", &format!("{one}/retry"), Scope::Change),
        ("POST", &format!("{one}/erase"), Scope::Change),
        ("GET", &format!("{one}/body"), Scope::Read),
        ("POST", "/use-cases/orders/pause", Scope::Deploy),
        ("POST", "/use-cases/orders/resume", Scope::Deploy),
    ] {
        let others: Vec<Scope> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
        client.acts_as(&Caller { own_only: false, ..caller("shop", &others) });
        let reply = client.call(method, path, SOON);
        assert_eq!((reply.error().as_str(), &reply.body["scope"]), ("403 missing-scope", &json!(scope.as_str())), "{method} {path}");
        let detail = reply.body["detail"].as_str().unwrap();
        assert!(detail.contains("\"shop\"") && detail.contains(scope.as_str()), "{detail}");
        client.acts_as(&Caller { own_only: false, ..caller("shop", &[scope]) });
        let reply = client.call(method, path, SOON);
        assert!(![401, 403, 404].contains(&reply.status), "{method} {path}: {reply:?}");
    }
    assert_eq!(client.api.ledger.ids().len(), 2, "a call without its scope stores nothing");
    client.acts_as(&caller("shop", &[]));
    assert_eq!(client.get("/no/such/call").error(), "404 not-found");
    assert_eq!(client.call("PUT", "/requests", "").error(), "405 method-not-allowed");
}

#[test]
fn a_request_of_another_owner_is_unknown() {
    let client = Client::of_orders();
    let ownerless = client.accepted(SOON);
    client.acts_as(&team("shop"));
    let ours = client.accepted(SOON);
    client.acts_as(&team("mail"));
    let theirs = client.accepted(SOON);
    let unknown = |id: CorrelationId, reply: Reply| {
        assert_eq!(reply.error(), "404 unknown-request");
        assert_eq!(reply.body["detail"], json!(format!("there is no request {id}")), "the words are those for an id that does not exist");
    };
    for id in [ours, ownerless] {
        let one = format!("/requests/{id}");
        for (method, path) in [("GET", &one), ("PATCH", &one), ("DELETE", &one), ("POST", &format!("{one}/retry"))] {
            unknown(id, client.call(method, path, SOON));
        }
    }
    assert_eq!(listed(&client), [theirs.to_string()]);
    assert_eq!(client.get("/requests").body["onlyOwner"], "mail", "a program that needs all requests can tell that it sees some");
    assert_eq!(client.get(&format!("/requests/{theirs}")).body["owner"], "mail");
    let all = [ownerless, ours, theirs].map(|id| id.to_string());
    client.acts_as(&Caller { own_only: false, ..team("lead") });
    assert_eq!((listed(&client).as_slice(), client.get("/requests").body.get("onlyOwner")), (all.as_slice(), None));
    client.acts_as(&caller("operator", &[Scope::Read, Scope::Operate]));
    assert_eq!(listed(&client), all);
    let shown = client.get(&format!("/requests/{ours}")).body;
    assert_eq!((&shown["owner"], &shown["status"], &shown["history"][0]["by"]), (&json!("shop"), &json!("scheduled"), &json!("shop")));
}

#[test]
fn history_says_who_moved_cancelled_and_retried() {
    let client = Client::new(FakeBundle::new("v1", ORDERS).on_process(|_| Ok(Err(crate::plugin::JobFailure::permanent("out of stock")))));
    client.acts_as(&team("shop"));
    let id = client.accepted(SOON);
    client.acts_as(&Caller { own_only: false, ..team("ann") });
    let one = format!("/requests/{id}");
    assert_eq!(client.call("PATCH", &one, r#"{"delay":"PT0S"}"#).status, 200);
    client.fire(id);
    assert_eq!(client.call("POST", &format!("{one}/retry"), "").status, 202);
    assert_eq!(client.call("DELETE", &one, "").status, 200);
    let shown = client.get(&one).body;
    let lines: Vec<_> =
        shown["history"].as_array().unwrap().iter().map(|line| (line["event"].as_str().unwrap(), line["by"].as_str())).collect();
    let expected = [
        ("accepted", Some("shop")),
        ("moved", Some("ann")),
        ("started", None),
        ("failed", None),
        ("retried", Some("ann")),
        ("cancelled", Some("ann")),
    ];
    assert_eq!(lines, expected);
    assert_eq!(shown["owner"], "shop", "a change does not change the owner");
}

#[test]
fn a_caller_uses_and_sees_the_use_cases_of_its_key_only() {
    let client = Client::of_orders();
    client.api.use_cases.put_broken("letters", "broken");
    let orders = client.accepted(SOON);
    let restricted = |name: &str| Caller { use_cases: Some([name.to_owned()].into()), own_only: false, ..team("shop") };
    client.acts_as(&restricted("letters"));
    let reply = client.call("POST", "/requests/orders", SOON);
    assert_eq!((reply.error().as_str(), &reply.body["useCase"]), ("403 use-case-not-permitted", &json!("orders")));
    assert_eq!(client.call("POST", "/requests/none", SOON).error(), "403 use-case-not-permitted", "the answer tells no names");
    assert_eq!(client.get(&format!("/requests/{orders}")).error(), "404 unknown-request");
    assert_eq!(listed(&client), [""; 0]);
    assert_eq!(client.get("/requests?useCase=orders").body["requests"], json!([]));
    let names = |reply: Reply| reply.body["useCases"].as_array().unwrap().iter().map(|info| info["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(client.get("/use-cases")), ["letters"]);
    client.acts_as(&restricted("orders"));
    assert_eq!((listed(&client), names(client.get("/use-cases"))), (vec![orders.to_string()], vec![json!("orders")]));
}

#[test]
fn an_idempotency_key_belongs_to_its_owner() {
    let client = Client::of_orders();
    let post = |body: &str| client.send(with_header(request("POST", "/requests/orders", body), "idempotency-key", "k"));
    let mut ids = vec![post(SOON).id()];
    for name in ["shop", "mail"] {
        client.acts_as(&team(name));
        let other_body = format!(r#"{{"delay":"PT61S","by":"{name}"}}"#);
        let first = post(&other_body);
        assert_eq!(first.status, 202, "the key of another owner is no conflict: {first:?}");
        assert_eq!(post(&other_body).id(), first.id(), "a repeat has the first answer");
        let reused = post(SOON);
        assert_eq!((reused.error().as_str(), &reused.body["first"]), ("409 idempotency-key-reused", &json!(first.id())));
        ids.push(first.id());
    }
    assert_eq!(client.api.ledger.ids(), ids);
}

#[test]
fn a_notice_belongs_to_the_owner_of_its_request() {
    let manifest = format!("{ORDERS}\n[on]\nsuccess = 'hook'");
    let client = Client::new(FakeBundle::new("v1", &manifest).on_process(|_| Ok(Ok(None))));
    client.acts_as(&team("shop"));
    let id = client.accepted(r#"{"delay":"PT0S"}"#);
    client.fire(id);
    let notice = *client.api.ledger.ids().iter().find(|stored| **stored != id).expect("there is a notice");
    assert_eq!(client.get(&format!("/requests/{notice}")).body["owner"], "shop");
    let told = client.api.ledger.body(notice).unwrap();
    assert!(!told.contains("shop"), "the receiver is not told the owner: {told}");
    client.acts_as(&team("mail"));
    assert_eq!(client.get(&format!("/requests/{notice}")).error(), "404 unknown-request");
}

#[test]
fn health_and_errors_of_use_cases_are_shown_to_operators_only() {
    let client = Client::of_orders();
    let secret = "cannot read /srv/use-cases/mail/use-case.toml: password = \"hunter2\"";
    client.api.use_cases.put_broken("mail", secret);
    client.acts_as(&Caller::stranger());
    let mut body = client.get("/health").body;
    body.as_object_mut().unwrap().remove("correlationId");
    assert_eq!(body, json!({ "status": "ok" }));
    client.acts_as(&team("shop"));
    let list = client.get("/use-cases").body;
    assert!(list["useCases"][0]["error"].is_string() && !list.to_string().contains("hunter2"), "{list}");
    for scope in [Scope::Deploy, Scope::Operate] {
        client.acts_as(&caller("operator", &[Scope::Read, scope]));
        assert_eq!(client.get("/use-cases").body["useCases"][0]["error"], secret);
    }
    assert_eq!(client.get("/health").body["brokenUseCases"][0]["error"], secret);
}

#[test]
fn an_error_of_the_ledger_is_answered_without_the_path_of_its_file() {
    let path = "unable to open database file: /var/lib/postdate/ledger.sqlite";
    for error in [LedgerError::Unavailable(path.to_owned()), LedgerError::Failed(path.to_owned())] {
        let client = Client::of_orders();
        client.api.ledger.fail_with(error);
        let get = Request::get(format!("/requests/{}", sample_id(1))).body(bytes::Bytes::new()).unwrap();
        for reply in [client.send(get), client.get("/requests"), client.call("POST", "/requests/orders", SOON)] {
            assert!(reply.status >= 500 && !reply.body.to_string().contains("/var/lib"), "{reply:?}");
        }
    }
}
