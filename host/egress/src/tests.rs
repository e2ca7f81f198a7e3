use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[tokio::test]
async fn a_name_is_looked_up_once_and_only_allowed_addresses_are_returned() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let look_up = move |_: &str, port| {
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(["10.0.0.1", "93.184.216.34", "::ffff:169.254.169.254"].map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).to_vec())
    };
    let network = Network::with_look_up(Egress::default(), Vec::new(), Arc::new(look_up));
    assert_eq!(network.addresses("a", "www.example", 80).await.unwrap(), ["93.184.216.34:80".parse().unwrap()]);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_refusal_names_the_host_the_address_and_the_rule() {
    let network = Network::with_look_up(Egress::default(), Vec::new(), Arc::new(|_, _| Ok(vec!["10.0.0.1:80".parse().unwrap()])));
    let error = network.addresses("a", "intranet.example", 80).await.unwrap_err();
    assert_eq!(error.to_string(), "host intranet.example: address 10.0.0.1 is not allowed by this server (--allow-egress)");
    let error = network.addresses("a", "169.254.169.254", 80).await.unwrap_err();
    assert_eq!(error.to_string(), "host 169.254.169.254: address 169.254.169.254 is not allowed by this server (--allow-egress)");
    assert!(network.check("::1".parse().unwrap()).is_err() && network.check("1.1.1.1".parse().unwrap()).is_ok());
}

/// The system's resolver reads old forms of IPv4 addresses as addresses: decimal, octal, and shortened ones.
#[tokio::test]
async fn old_forms_of_an_address_are_judged_by_the_address_that_they_mean() {
    let network = Network::default();
    for host in ["2130706433", "0177.0.0.1", "0x7f.1", "127.1", "2852039166", "0"] {
        match network.addresses("a", host, 80).await {
            Err(Unreachable::NotAllowed { .. } | Unreachable::LookUp { .. }) => {}
            other => panic!("{host}: {other:?}"),
        }
    }
}
