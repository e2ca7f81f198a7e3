//! Rights of callers: scopes, owners, use cases.

use http::Request;
use serde_json::json;

use super::{Client, ORDERS, Reply};
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
