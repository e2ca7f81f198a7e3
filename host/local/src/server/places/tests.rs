use super::*;

fn caller(name: &str) -> Caller {
    Caller { name: Some(name.to_owned()), ..Caller::everything() }
}

#[tokio::test(start_paused = true)]
async fn a_caller_gets_half_and_another_still_gets_some() {
    let places = Places::new(4);
    let (shop, mail) = (caller("shop"), caller("mail"));
    let mut held = vec![places.take(&shop).unwrap(), places.take(&shop).unwrap()];
    assert!(places.take(&shop).is_none(), "half are taken");
    let _other = places.take(&mail).unwrap();
    let patience = Duration::from_secs(10);
    assert!(places.wait(&shop, patience).await.is_none());
    let waiting = async { places.wait(&mail, patience).await.is_some() };
    let leaving = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        held.clear();
    };
    assert_eq!(tokio::join!(waiting, leaving).0, true, "a place that is given back goes to one that waits");
}
