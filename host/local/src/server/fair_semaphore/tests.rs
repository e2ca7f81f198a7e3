use super::*;

fn caller(name: &str) -> Caller {
    Caller { name: Some(name.to_owned()), ..Caller::everything() }
}

#[tokio::test]
async fn a_caller_gets_half_and_another_still_gets_some() {
    let permits = FairSemaphore::new(4);
    let (shop, mail) = (caller("shop"), caller("mail"));
    let mut held = vec![permits.take(&shop).unwrap(), permits.take(&shop).unwrap()];
    assert!(permits.take(&shop).is_none(), "half are taken");
    let _other = permits.take(&mail).unwrap();
    assert!(permits.wait(&shop, Duration::from_millis(1)).await.is_none());
    let waiting = async { permits.wait(&mail, Duration::from_secs(20)).await.is_some() };
    let leaving = async {
        tokio::task::yield_now().await;
        held.clear();
    };
    let (waited, ()) = tokio::join!(waiting, leaving);
    assert!(waited, "a permit that is given back goes to one that waits");
}
