//! One use case: its entry, grants and versions.

use serde_json::json;

use super::{Client, ORDERS};
use crate::access::{Caller, Scope};
use crate::host_fault::{HostFault, STORE};
use crate::testing::FakeBundle;

fn caller(scopes: &[Scope]) -> Caller {
    Caller { scopes: scopes.iter().copied().collect(), ..Caller::default() }
}

#[test]
fn a_use_case_has_its_entry_of_the_list_and_its_grants() {
    let client = Client::of_orders();
    client.call("POST", "/use-cases/orders/pause", r#"{"target":"hook"}"#);
    let one = client.get("/use-cases/orders");
    let listed = client.get("/use-cases").body["useCases"][0].clone();
    for (member, value) in listed.as_object().unwrap() {
        assert_eq!(&one.body[member], value, "{member}");
    }
    assert_eq!(one.body["plugins"][1]["role"], "process");
    assert_eq!(one.body["reach"][1]["address"], "http://127.0.0.1:9000");
    assert_eq!(client.get("/use-cases/mail").error(), "404 unknown-use-case");
}

#[test]
fn grants_errors_and_paths_are_for_those_who_deploy_or_operate() {
    let client = Client::of_orders();
    client.api.use_cases.put_broken("orders", "/srv/orders: broken");
    for (scopes, sees) in [(&[Scope::Read][..], false), (&[Scope::Read, Scope::Deploy], true), (&[Scope::Read, Scope::Operate], true)] {
        client.acts_as(&caller(scopes));
        let one = client.get("/use-cases/orders").body;
        assert_eq!((one.get("plugins").is_some(), one.get("reach").is_some()), (sees, sees), "{scopes:?}");
        assert_eq!(one["error"].as_str().unwrap().contains("/srv"), sees, "{scopes:?}");
        let versions = client.get("/use-cases/orders/versions").body;
        assert_eq!(versions["versions"][0]["error"].as_str().unwrap().contains("/store"), sees, "{scopes:?}");
    }
}

#[test]
fn versions_say_which_serves_and_why_there_is_no_way_back() {
    let client = Client::of_orders();
    client.api.use_cases.put(FakeBundle::new("v2", ORDERS));
    let body = client.get("/use-cases/orders/versions").body;
    let serving = |version: usize| [&body["versions"][version]["version"], &body["versions"][version]["serves"]];
    assert_eq!(serving(0), [&json!("v1"), &json!(false)]);
    assert_eq!(serving(1), [&json!("v2"), &json!(true)]);
    assert_eq!(body["fixed"], "a fake goes back nowhere");
    assert_eq!(client.get("/use-cases/mail/versions").error(), "404 unknown-use-case");
    client.api.use_cases.fail_with(HostFault::new(STORE, "/store: no route to host"));
    let failed = client.get("/use-cases/orders/versions");
    assert_eq!((failed.error().as_str(), failed.header("retry-after")), ("503 store-unavailable", "1"));
    assert!(!failed.text.contains("/store"), "{failed:?}");
}

#[test]
fn a_long_list_of_versions_ends_with_the_number_of_the_others() {
    let client = Client::of_orders();
    for version in 0..205 {
        client.api.use_cases.put(FakeBundle::new(&format!("w{version}"), ORDERS));
    }
    let body = client.get("/use-cases/orders/versions").body;
    assert_eq!((body["versions"].as_array().unwrap().len(), &body["more"]), (200, &json!(6)));
}

#[test]
fn a_caller_of_other_use_cases_sees_neither() {
    let client = Client::of_orders();
    client.acts_as(&Caller { use_cases: Some(["mail".to_owned()].into()), ..caller(&[Scope::Read]) });
    for path in ["/use-cases/orders", "/use-cases/orders/versions"] {
        assert_eq!(client.get(path).error(), "403 use-case-not-permitted");
    }
}
