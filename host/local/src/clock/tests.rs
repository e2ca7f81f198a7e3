use super::*;

#[tokio::test]
async fn moving_a_test_clock_wakes_sleepers() {
    let start = DateTime::from_timestamp_millis(1_800_000_000_000).unwrap();
    let clock = Clock::test(start);
    let week = start + chrono::TimeDelta::days(7);
    let sleeper = tokio::spawn({
        let clock = clock.clone();
        async move {
            clock.sleep_until(week).await;
            clock.now()
        }
    });
    let Clock::Test(hands) = &clock else { unreachable!() };
    hands.send_replace(week - chrono::TimeDelta::milliseconds(1));
    tokio::task::yield_now().await;
    assert!(!sleeper.is_finished());
    hands.send_replace(week);
    assert_eq!(sleeper.await.unwrap(), week);
}

#[tokio::test]
async fn sleep_on_the_system_clock_never_ends_early() {
    let at = Clock::System.now() + chrono::TimeDelta::milliseconds(20);
    Clock::System.sleep_until(at).await;
    assert!(Utc::now() >= at);
}
