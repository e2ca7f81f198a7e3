use super::*;

fn caller(owner: Option<&str>, scopes: Option<&str>, claims: &[(&str, &str)]) -> Result<Caller, ApiError> {
    let claims: Vec<(String, String)> = claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    CallerClaims { owner: owner.map(str::to_owned), scopes: scopes.map(str::to_owned) }.caller(&claims)
}

#[test]
fn a_deployment_without_claims_lets_every_caller_do_everything() {
    assert_eq!(caller(None, None, &[("sub", "ann"), ("scope", "postdate:read")]).unwrap(), Caller::everything());
}

#[test]
fn a_claim_names_the_scopes_in_each_form() {
    for text in [
        "postdate:submit postdate:read",
        "openid postdate:submit  other:deploy postdate:read postdate:unknown deploy",
        r#"["postdate:submit","postdate:read"]"#,
        "[postdate:submit postdate:read]",
    ] {
        let caller = caller(None, Some("scope"), &[("scope", text)]).unwrap();
        assert_eq!((caller.scopes, caller.own_only), ([Scope::Submit, Scope::Read].into(), false), "{text}");
    }
    for claims in [&[][..], &[("scope", "openid")]] {
        assert_eq!(caller(None, Some("scope"), claims).unwrap().scopes, [].into(), "a missing claim gives no right");
    }
}

#[test]
fn a_claim_names_the_owner_who_sees_only_its_own_requests() {
    let ann = caller(Some("sub"), None, &[("sub", "ann")]).unwrap();
    assert_eq!((ann.name.as_deref(), ann.only_owner(), ann.key_space.as_deref()), (Some("ann"), Some("ann"), Some("ann")));
    assert!(ann.may(Scope::Deploy) && !ann.may(Scope::Operate));
    let operator = caller(Some("sub"), Some("scope"), &[("scope", "postdate:read postdate:operate"), ("sub", "ann")]).unwrap();
    assert_eq!((operator.name.as_deref(), operator.only_owner()), (Some("ann"), None));
    for claims in [&[][..], &[("sub", "")], &[("sub", "a\nb")], &[("sub", "x".repeat(257).as_str())]] {
        assert_eq!(caller(Some("sub"), None, claims).unwrap_err().code(), "owner-unknown", "{claims:?}");
    }
}
