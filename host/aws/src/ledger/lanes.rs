//! Reads several partitions of an index together, in the order of their sort keys.

use std::collections::VecDeque;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::query::{QueryError, QueryOutput};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use postdate_core::ports::LedgerError;
use tokio::task::JoinSet;

use super::failed;
use super::table::Item;

/// Queries that run at the same time.
const PARALLEL: usize = 16;
/// Bounds of the rows that one query reads. Fewer rows cost no less: a read unit covers 8 KB, a row of an index has some 300 bytes.
const LEAST_ROWS: usize = 10;
const MOST_ROWS: usize = 1_000;

/// Partitions of an index, whose sort keys are texts that differ between all items.
pub struct Lanes {
    lanes: Vec<Lane>,
    /// Attribute of the sort key.
    sort: &'static str,
}

/// One partition.
struct Lane {
    query: QueryFluentBuilder,
    /// Rows of the next query, which doubles: a lane that is read again has more of the wanted items than others, or fewer than rows.
    rows: usize,
    /// Items that were read and not returned: sort key, item.
    ready: VecDeque<(String, Item)>,
    /// Key of the last row that was read.
    last: Option<Item>,
    ended: bool,
}

/// The result of reading lanes.
pub struct Merged {
    pub items: Vec<Item>,
    /// The sort key up to which every item was read, if reading stopped early.
    pub cut: Option<String>,
}

impl Lanes {
    /// Reads the partitions of these queries. `expected` is the number of items that the caller wants in all.
    pub fn new(queries: Vec<QueryFluentBuilder>, sort: &'static str, expected: usize) -> Self {
        let rows = (2 * expected / queries.len().max(1)).clamp(LEAST_ROWS, MOST_ROWS);
        let lane = |query| Lane { query, rows, ready: VecDeque::new(), last: None, ended: false };
        Self { lanes: queries.into_iter().map(lane).collect(), sort }
    }

    /// Returns the first `limit` items of all lanes. Stops early after about `budget` rows, of which filters may have dropped most.
    pub async fn first(mut self, limit: usize, budget: usize) -> Result<Merged, LedgerError> {
        let (mut items, mut rows, mut cut) = (Vec::new(), 0, None);
        while items.len() < limit {
            let unread: Vec<usize> = (0..self.lanes.len()).filter(|at| self.lanes[*at].is_unread()).collect();
            if !unread.is_empty() && cut.is_none() {
                if rows < budget {
                    rows += self.fill(unread).await?;
                    continue;
                }
                // Behind this place, a lane may have an item that was not read and comes first.
                cut = self.lanes.iter().filter_map(|lane| self.sort_key(lane.last.as_ref()?)).min();
            }
            match self.take_first(cut.as_deref()) {
                Some(item) => items.push(item),
                None => return Ok(Merged { items, cut }),
            }
        }
        Ok(Merged { items, cut: None })
    }

    /// Removes the first item of all lanes that is not behind `cut`.
    fn take_first(&mut self, cut: Option<&str>) -> Option<Item> {
        let fronts = self.lanes.iter_mut().filter(|lane| !lane.ready.is_empty());
        let lane = fronts.min_by(|one, other| one.ready[0].0.cmp(&other.ready[0].0))?;
        let is_behind = cut.is_some_and(|cut| lane.ready[0].0.as_str() > cut);
        if is_behind { None } else { lane.ready.pop_front().map(|(_, item)| item) }
    }

    /// Queries the next rows of these lanes. Returns how many rows were read.
    async fn fill(&mut self, lanes: Vec<usize>) -> Result<usize, LedgerError> {
        let (mut waiting, mut running, mut rows) = (lanes.into_iter(), JoinSet::new(), 0);
        loop {
            while running.len() < PARALLEL
                && let Some(at) = waiting.next()
            {
                let query = self.lanes[at].next_query();
                running.spawn(async move { (at, query.send().await) });
            }
            let Some(done) = running.join_next().await else { return Ok(rows) };
            let (at, answer) = done.map_err(|error| LedgerError::Failed(error.to_string()))?;
            rows += self.take_in(at, answer)?;
        }
    }

    fn take_in(&mut self, at: usize, answer: Result<QueryOutput, SdkError<QueryError, HttpResponse>>) -> Result<usize, LedgerError> {
        let answer = answer.map_err(|error| failed(&error))?;
        let rows = usize::try_from(answer.scanned_count).unwrap_or_default();
        let keyed = answer.items.unwrap_or_default().into_iter().filter_map(|item| Some((self.sort_key(&item)?, item)));
        let ready: VecDeque<(String, Item)> = keyed.collect();
        let lane = &mut self.lanes[at];
        lane.ready = ready;
        lane.last = answer.last_evaluated_key.filter(|key| !key.is_empty());
        lane.ended = lane.last.is_none();
        Ok(rows)
    }

    fn sort_key(&self, item: &Item) -> Option<String> {
        item.get(self.sort)?.as_s().ok().cloned()
    }
}

impl Lane {
    fn is_unread(&self) -> bool {
        self.ready.is_empty() && !self.ended
    }

    fn next_query(&mut self) -> QueryFluentBuilder {
        let limit = i32::try_from(self.rows).unwrap_or(i32::MAX);
        self.rows = (2 * self.rows).min(MOST_ROWS);
        self.query.clone().limit(limit).set_exclusive_start_key(self.last.take())
    }
}
