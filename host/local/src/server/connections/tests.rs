use super::*;

fn admit(connections: &Arc<Connections>) -> Option<Admission> {
    let address = SocketAddr::from(([127, 0, 0, 1], 80));
    next_microsecond(connections);
    connections.admit(address, address)
}

/// Waits for the next microsecond, since the order of two connections within one is open.
fn next_microsecond(connections: &Connections) {
    let before = connections.start.elapsed().as_micros();
    while connections.start.elapsed().as_micros() == before {}
}

#[test]
fn the_connection_that_waits_longest_makes_room() {
    let connections = Connections::new(3);
    let [first, second, third] = [(); 3].map(|()| admit(&connections).unwrap());
    let work = first.link.work();
    let fourth = admit(&connections).unwrap();
    assert_eq!([&first, &second, &third, &fourth].map(|place| place.link.evicted.is_cancelled()), [false, true, false, false]);
    next_microsecond(&connections);
    third.link.wait();
    drop(work);
    let _fifth = admit(&connections).unwrap();
    assert_eq!([&first, &third, &fourth].map(|place| place.link.evicted.is_cancelled()), [false, false, true]);
}

#[test]
fn there_is_no_room_while_the_host_works_for_all() {
    let connections = Connections::new(2);
    let (first, second) = (admit(&connections).unwrap(), admit(&connections).unwrap());
    let (_first, second_work) = (first.link.work(), second.link.work());
    assert!(admit(&connections).is_none());
    drop(second_work);
    let third = admit(&connections).unwrap();
    drop((second, third));
    assert!(admit(&connections).is_some(), "a closed connection frees its place");
    assert!(!first.link.evicted.is_cancelled());
}

#[test]
fn the_host_keeps_descriptors_for_its_own_work() {
    for (descriptors, concurrency, connections) in
        [(256, 64, 128), (1024, 64, 768), (1024, 4096, 512), (20_000, 64, 1024), (u64::MAX, 64, 1024), (64, 1, 32), (0, 1, 1)]
    {
        assert_eq!(of_limit(descriptors, concurrency), connections, "{descriptors} {concurrency}");
    }
}
