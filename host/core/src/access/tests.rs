use super::*;
use crate::testing::{moment, new_request, sample_id};

fn caller(scopes: &[Scope], own_only: bool) -> Caller {
    Caller { name: Some("shop".to_owned()), scopes: scopes.iter().copied().collect(), own_only, ..Caller::default() }
}

#[test]
fn a_scope_is_parsed_and_shown_by_one_name() {
    for scope in Scope::ALL {
        assert_eq!(scope.to_string().parse(), Ok(scope));
    }
    let error = "Read".parse::<Scope>().unwrap_err();
    assert_eq!(error, "\"Read\" is no scope: choose from submit, read, change, deploy, operate");
}

#[test]
fn a_missing_scope_is_named_with_its_caller() {
    let shop = caller(&[Scope::Submit], true);
    assert_eq!(shop.require(Scope::Submit), Ok(()));
    assert_eq!(
        shop.require(Scope::Deploy).unwrap_err().to_string(),
        "the caller \"shop\" lacks the scope \"deploy\", which this call needs"
    );
    assert!(Caller::stranger().require(Scope::Read).unwrap_err().to_string().starts_with("the caller lacks"));
    assert!(Scope::ALL.iter().all(|scope| Caller::everything().may(*scope) && !Caller::stranger().may(*scope)));
}

#[test]
fn a_request_is_seen_by_its_owner_and_by_those_who_see_all() {
    #[track_caller]
    fn check(caller: &Caller, owner: Option<&str>, use_case: &str, sees: bool) {
        let new = new_request(sample_id(1), use_case, moment());
        let request = Request { owner: owner.map(str::to_owned), ..new.request };
        assert_eq!(caller.sees(&request), sees, "{caller:?} {owner:?} {use_case}");
    }
    let own = caller(&[Scope::Read], true);
    check(&own, Some("shop"), "orders", true);
    check(&own, Some("mail"), "orders", false);
    check(&own, None, "orders", false);
    let all = caller(&[Scope::Read], false);
    check(&all, Some("mail"), "orders", true);
    check(&all, None, "orders", true);
    check(&caller(&[Scope::Operate], true), Some("mail"), "orders", true);
    check(&Caller::stranger(), None, "orders", false);
    let of_one = Caller { use_cases: Some(["orders".to_owned()].into()), ..all };
    check(&of_one, Some("mail"), "orders", true);
    check(&of_one, Some("shop"), "letters", false);
    assert_eq!(of_one.require_use_case("letters").unwrap_err().to_string(), "the caller \"shop\" may not use the use case \"letters\"");
}

#[test]
fn idempotency_keys_of_different_key_spaces_never_meet() {
    let of =
        |space: Option<&str>, key: &str| Caller { key_space: space.map(str::to_owned), ..Caller::default() }.stored_key(key.to_owned());
    let stored = [of(None, "k"), of(Some("shop"), "k"), of(Some("mail"), "k"), of(None, "shop/k"), of(None, "shop k")];
    let distinct: BTreeSet<&String> = stored.iter().collect();
    assert_eq!(distinct.len(), stored.len(), "{stored:?}");
    assert_eq!(of(None, "k"), "k", "keys of a ledger without owners stay as they are");
}
