use super::*;

#[track_caller]
fn check(rules: &str, host: &str, address: &str, allowed: bool) {
    let egress: Egress = rules.parse().unwrap();
    assert_eq!(egress.allows(host, address.parse().unwrap()), allowed, "{host} at {address} under {rules}");
}

#[test]
fn addresses_of_special_purpose_registries_are_not_public() {
    for (address, public) in [
        ("93.184.216.34", true),
        ("1.1.1.1", true),
        ("172.15.0.1", true),
        ("100.63.255.255", true),
        ("100.128.0.1", true),
        ("0.0.0.0", false),
        ("0.1.2.3", false),
        ("10.1.2.3", false),
        ("100.64.0.1", false),
        ("100.127.255.255", false),
        ("127.0.0.1", false),
        ("127.255.0.9", false),
        ("169.254.169.254", false),
        ("168.63.129.16", false),
        ("168.63.129.17", true),
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
        ("64:ff9b::a9fe:a9fe", false),
        ("64:ff9b::101:101", true),
        ("64:ff9b:1::1", false),
        ("2002:7f00:1::", false),
        ("2002:a00:1::1", false),
        ("2002:a9fe:a9fe::1", false),
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
        check("public", "any.example", address, public);
    }
}

#[test]
fn a_named_network_is_allowed_whatever_the_host_and_nothing_else_is() {
    check("10.0.0.0/8", "intranet.example", "10.1.2.3", true);
    check("10.0.0.0/8", "10.1.2.3", "10.1.2.3", true);
    check("10.0.0.0/8", "www.example", "93.184.216.34", false);
    check("public,10.0.0.0/8", "www.example", "93.184.216.34", true);
    check("10.0.0.0/8", "intranet.example", "::ffff:10.1.2.3", true);
    check("10.0.0.0/8", "intranet.example", "64:ff9b::a01:203", true);
    check("10.9.9.9/8", "intranet.example", "10.1.2.3", true);
    check("127.0.0.0/8,::1", "any.example", "::1", true);
    check("127.0.0.1", "127.0.0.2", "127.0.0.2", false);
    check("fd00::/8", "intranet.example", "fd12::1", true);
}

#[test]
fn metadata_services_are_allowed_only_by_a_network_of_their_own_block() {
    for wide in ["0.0.0.0/0,::/0", "public", "169.0.0.0/8", "fc00::/7", "64.0.0.0/2,128.0.0.0/1"] {
        for address in ["169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fe80::1"] {
            check(wide, "any.example", address, false);
            check(wide, address, address, false);
        }
        check(wide, "any.example", "::ffff:169.254.169.254", false);
        check(wide, "any.example", "64:ff9b::a9fe:a9fe", false);
    }
    check("169.254.169.254", "169.254.169.254", "169.254.169.254", true);
    check("169.254.0.0/16", "metadata.example", "169.254.170.2", true);
    check("fd00:ec2::254", "metadata.example", "fd00:ec2::254", true);
}

#[test]
fn a_laptop_reaches_loopback_by_address_or_as_localhost_only() {
    let laptop = Egress::laptop();
    let allows = |host: &str, address: &str| laptop.allows(host, address.parse().unwrap());
    assert!(allows("127.0.0.1", "127.0.0.1") && allows("LocalHost", "::1") && allows("www.example", "93.184.216.34"));
    assert!(!allows("rebound.example", "127.0.0.1") && !allows("localhost", "10.0.0.1") && !allows("0.0.0.0", "0.0.0.0"));
    assert!(!allows("10.0.0.1", "10.0.0.1") && !allows("169.254.169.254", "169.254.169.254"));
    assert!(!Egress::default().allows("127.0.0.1", "127.0.0.1".parse().unwrap()));
}

#[test]
fn a_list_that_cannot_be_meant_is_refused() {
    let error = |text: &str| text.parse::<Egress>().unwrap_err();
    assert_eq!(error("10.0.0.0/33"), EgressError::Network("10.0.0.0/33".into()));
    assert_eq!(error("public,intranet.example"), EgressError::Network("intranet.example".into()));
    assert_eq!(error("::ffff:10.0.0.0/104"), EgressError::Carried("::ffff:10.0.0.0/104".into()));
    assert_eq!(error("64:ff9b::/96"), EgressError::Carried("64:ff9b::/96".into()));
    assert_eq!(error(" , "), EgressError::Empty);
    assert_eq!("public, 10.1.2.3/8,::1".parse::<Egress>().unwrap().to_string(), "public,10.0.0.0/8,::1/128");
}
