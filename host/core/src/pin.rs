//! Keys of the index `pinned` of the table on AWS, which tells the versions of use cases that requests may still need. The ledger of
//! `postdate-aws` writes them, and `postdate use-case prune --table` reads them.

/// Partitions of one version, between which the writes of its requests are spread.
pub const PIN_SHARDS: u32 = 32;

/// Returns the partition key of the requests in one shard that need this version.
pub fn pin(use_case: &str, version: &str, shard: u32) -> String {
    format!("{use_case}#{version}#{shard}")
}
