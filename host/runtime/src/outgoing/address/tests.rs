use super::*;

#[test]
fn addresses_of_special_purpose_registries_are_not_public() {
    for (text, public) in [
        ("93.184.216.34", true),
        ("1.1.1.1", true),
        ("172.15.0.1", true),
        ("100.63.255.255", true),
        ("100.128.0.1", true),
        ("0.0.0.0", false),
        ("10.1.2.3", false),
        ("100.64.0.1", false),
        ("100.127.255.255", false),
        ("127.0.0.1", false),
        ("127.255.0.9", false),
        ("169.254.169.254", false),
        ("172.16.0.1", false),
        ("172.31.255.255", false),
        ("192.0.0.8", false),
        ("192.0.2.1", false),
        ("192.168.0.1", false),
        ("198.18.0.1", false),
        ("224.0.0.1", false),
        ("240.0.0.1", false),
        ("255.255.255.255", false),
        ("2606:4700::1111", true),
        ("2a00:1450:4001::1", true),
        ("::", false),
        ("::1", false),
        ("::127.0.0.1", false),
        ("::ffff:127.0.0.1", false),
        ("::ffff:10.0.0.1", false),
        ("::ffff:169.254.169.254", false),
        ("::ffff:1.1.1.1", true),
        ("64:ff9b::7f00:1", false),
        ("64:ff9b::101:101", true),
        ("64:ff9b:1::1", false),
        ("2002:7f00:1::", false),
        ("2002:a00:1::1", false),
        ("2001::1", false),
        ("2001:db8::1", false),
        ("3fff::1", false),
        ("100::1", false),
        ("fc00::1", false),
        ("fd12:3456::1", false),
        ("fe80::1", false),
        ("fec0::1", false),
        ("ff02::1", false),
    ] {
        assert_eq!(is_public(text.parse().unwrap()), public, "{text}");
    }
}

#[test]
fn an_address_that_the_grant_names_is_allowed() {
    let name = |text: &str| Host::Name(text.to_owned());
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert!(allowed(&Host::Ip(ip("10.0.0.1")), ip("10.0.0.1")));
    assert!(allowed(&name("localhost"), ip("127.0.0.1")));
    assert!(allowed(&name("localhost"), ip("::1")));
    assert!(!allowed(&name("localhost"), ip("10.0.0.1")));
    assert!(!allowed(&name("intranet.example"), ip("10.0.0.1")));
    assert!(!allowed(&name("metadata.example"), ip("169.254.169.254")));
    assert!(allowed(&name("www.example"), ip("93.184.216.34")));
}
