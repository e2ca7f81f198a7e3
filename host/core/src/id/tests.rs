use super::*;

#[test]
fn correlation_id_is_a_version_7_uuid_that_sorts_by_time() {
    let at = |millis| CorrelationId::new(DateTime::from_timestamp_millis(millis).unwrap(), [0xff; 10]);
    assert_eq!(at(1_800_000_000_000).0.get_version_num(), 7);
    assert!(at(1_800_000_000_000).to_string() < at(1_800_000_000_001).to_string());
    assert_eq!(at(5).to_string().parse::<CorrelationId>().unwrap(), at(5));
}

#[test]
fn ids_spread_evenly_over_shards() {
    let now = chrono::DateTime::from_timestamp_millis(1_798_761_600_000).unwrap();
    let mut counts = [0; 64];
    for n in 0..6400_u64 {
        // Stands for random bytes: the digest of a number.
        let digest = <sha2::Sha256 as sha2::Digest>::digest(n.to_be_bytes());
        let id = CorrelationId::new(now, digest[..10].try_into().unwrap());
        counts[id.shard(64) as usize] += 1;
    }
    assert!(counts.iter().all(|count| (50..160).contains(count)), "{counts:?}");
}
