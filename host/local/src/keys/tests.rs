use super::*;

const DIGEST: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

fn key(name: &str, more: &str) -> String {
    format!("[[key]]\nname = \"{name}\"\nsha256 = \"{DIGEST}\"\nmay = [\"submit\", \"read\"]\n{more}\n")
}

#[test]
fn a_key_is_read_with_its_rights() {
    let text = key("shop", "use-cases = [\"orders\"]\nsees = \"all\"\nexpires = 2027-06-01T02:00:00+02:00");
    let keys = parse(&text).unwrap();
    let expires = parse_time("2027-06-01T00:00:00Z").unwrap();
    assert_eq!(
        keys,
        [Key {
            name: "shop".to_owned(),
            sha256: digest("foo"),
            may: [Scope::Submit, Scope::Read].into(),
            use_cases: Some(["orders".to_owned()].into()),
            sees: Sees::All,
            expires: Some(expires),
        }]
    );
    assert!(keys[0].has_expired(expires) && !keys[0].has_expired(expires - chrono::TimeDelta::milliseconds(1)));
    let plain = parse(&key("shop", "")).unwrap().remove(0);
    assert_eq!((plain.sees, plain.use_cases.clone(), plain.expires), (Sees::Own, None, None));
    assert!(plain.caller().own_only, "a key sees its own requests unless the file says otherwise");
    assert_eq!(parse("").unwrap(), []);
}

#[test]
fn a_written_key_is_read_as_it_was() {
    for text in [key("a.b_c@d-e", "use-cases = [\"orders\", \"mail\"]\nsees = \"all\"\nexpires = 2027-06-01T00:00:00Z"), key("x", "")] {
        let keys = parse(&text).unwrap();
        assert_eq!(parse(&keys[0].to_toml()).unwrap(), keys);
    }
}

#[test]
fn an_error_names_the_key_and_the_fault() {
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let error = parse(text).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    check("[[key]]\nname = \"shop\"\nmay = []", "line 1: missing field `sha256`");
    check("[[key]]\nname = \nmay = []", "line 2");
    check(&key("shop", "token = \"x\""), "unknown field `token`");
    check("keys = []", "unknown field `keys`");
    check(&key("shop", "use-cases = [\"Orders\"]"), "the key \"shop\": use-cases has \"Orders\"");
    check(&key("shop", "expires = 2027-06-01T00:00:00"), "the key \"shop\": expires:");
    check(&key("shop", "sees = \"some\""), "unknown variant `some`");
    check(&key("shop", "").replace("\"read\"", "\"write\""), "the key \"shop\": may: \"write\" is no scope");
    check(&key("shop", "").replace("2c26", "2c2"), "the key \"shop\": sha256 is not 64 hexadecimal digits");
    check(&key("shop", "").replace("2c26", "2cé"), "sha256 is not 64");
    check(&[key("shop", ""), key("shop", "")].concat(), "two keys with the name \"shop\"");
    check(&[key("shop", ""), key("mail", "")].concat(), "one token for the keys \"shop\" and \"mail\"");
    check(&key("a b", ""), "cannot name a key");
    check(&key("", ""), "cannot name a key");
    check(&key(MASTER, ""), "the server's own key");
}

#[test]
fn new_tokens_differ_and_are_strong() {
    let (one, other) = (new_token().unwrap(), new_token().unwrap());
    assert_ne!(one, other);
    assert!(strength(&one) >= 240.0, "{}", strength(&one));
    assert_eq!(digest(&one), digest(&format!(" {one}\n")));
}

#[test]
fn strength_is_that_of_the_form() {
    #[track_caller]
    fn check(token: &str, strong: bool) {
        assert_eq!(strength(token) >= MIN_BITS, strong, "{token}: {}", strength(token));
    }
    check("change-me", false);
    check("s3cret", false);
    check("", false);
    check(&"a".repeat(200), false);
    check(&"ab1".repeat(60), false);
    // 128 random bits: hexadecimal, a UUID's form, base64.
    check("0123456789abcdef0123456789abcdef", true);
    check("0123456789ABCDEF0123456789ABCDE", false);
    check("01234567-89ab-cdef-0123-456789abcdef", true);
    check("MDEyMzQ1Njc4OWFiY2RlZg", true);
    check("MDEyMzQ1Njc4OWFiY2Rl", false);
    check("314159265358979323846264338327950288419", true);
    check("correct horse battery staple moon", true);
}
