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
