//! Lists of requests.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use postdate_core::request::{Cursor, Order, Page, Query, Request, Status};
use rusqlite::{Connection, OptionalExtension as _, ToSql, params, params_from_iter};

use super::Lane;
use super::rows::{self, millis, parsed, read_request, time};

/// The columns of a request, as a list has it. Omits the columns that SQLite finds only by reading a large result, and most of a failure.
const COLUMNS: &str = "seq, id, use_case, version, target, status, received_at, trigger_at, first_trigger_at, due_at, attempts, \
     failures, interruptions, lease_ms, lease_until, finished_at, NULL, substr(failure, 1, 1001), NULL, notice_of, \
     0, waits_for, waits_since, owner, NULL, labels, erased_at, NULL";
/// Positions in a row: the id, the time of the list's order, and whether the row matches.
const ID: usize = 1;
const TIME: usize = 28;
const MATCHES: usize = 29;

/// Limit of the rows that one page reads, as on AWS. Filters without an index of their own would otherwise let a page read the whole table.
pub const MAX_READ: u32 = 20_000;

/// Returns one page, ordered by the query's time and id. Omits notices, which are found through the request that they are about. The page
/// ends early, with a cursor, where it has read `most` rows.
pub fn list(connection: &Connection, query: &Query, most: u32) -> rusqlite::Result<Page> {
    // One snapshot: a request that changes its status between two sources would be in neither.
    let connection = &*connection.unchecked_transaction()?;
    let (sql, values): (Vec<_>, Vec<_>) = sources(connection, query, most)?.iter().map(|source| statement(query, source, most)).unzip();
    let mut statements = sql.iter().map(|sql| connection.prepare_cached(sql)).collect::<rusqlite::Result<Vec<_>>>()?;
    let mut rows = Vec::new();
    for (statement, values) in statements.iter_mut().zip(&values) {
        rows.push(statement.query(params_from_iter(values.iter()))?);
    }

    // The place of the next row of each source, and its request if it matches.
    let mut heads = BinaryHeap::new();
    let mut found: Vec<Option<Request>> = rows.iter().map(|_| None).collect();
    let mut step = |source: usize, heads: &mut BinaryHeap<_>, found: &mut [Option<Request>]| -> rusqlite::Result<()> {
        if let Some(row) = rows[source].next()? {
            heads.push(Reverse((Cursor { at: time(row, TIME)?, id: parsed(row, ID)? }, source)));
            found[source] = row.get::<_, bool>(MATCHES)?.then(|| read_request(row)).transpose()?.map(|(_, request)| request.listed());
        }
        Ok(())
    };
    for source in 0..found.len() {
        step(source, &mut heads, &mut found)?;
    }
    let (mut requests, mut next) = (Vec::new(), None);
    for read in 0.. {
        let Some(&Reverse((place, source))) = heads.peek() else { return Ok(Page { requests, next: None }) };
        if read == most || (requests.len() == query.limit && found[source].is_some()) {
            break;
        }
        heads.pop();
        requests.extend(found[source].take());
        next = Some(place);
        step(source, &mut heads, &mut found)?;
    }
    Ok(Page { requests, next })
}

/// An index that has the rows of a list, or a part of them, in the list's order.
#[derive(Debug)]
pub(super) enum Source {
    /// The requests with the first label. In another order than that of trigger times, SQLite sorts them.
    Label,
    Lane(Lane),
    Ended,
    Owner,
    /// Few requests run.
    Running,
    /// The requests of a use case with another status.
    Of(String, Status),
}

/// Returns the sources whose rows, merged, are those of the list.
fn sources(connection: &Connection, query: &Query, most: u32) -> rusqlite::Result<Vec<Source>> {
    if let Some((name, value)) = query.labels.first() {
        // In another order than that of the index, all of them are read and sorted.
        let sql = "SELECT count(*) FROM (SELECT 1 FROM labels WHERE name = ?1 AND value = ?2 LIMIT ?3)";
        let few = || connection.prepare_cached(sql)?.query_row(params![name, value, most + 1], |row| row.get::<_, u32>(0));
        if query.order == Order::Trigger || few()? <= most {
            return Ok(vec![Source::Label]);
        }
    }
    Ok(match (query.order, query.status) {
        (Order::Due, _) => {
            let lanes = rows::lanes(connection)?.into_iter();
            lanes.filter(|lane| query.use_case.as_ref().is_none_or(|use_case| *use_case == lane.use_case)).map(Source::Lane).collect()
        }
        (Order::Ended, _) => vec![Source::Ended],
        (Order::Trigger, Some(Status::Running)) => vec![Source::Running],
        (Order::Trigger, _) if query.owner.is_some() => vec![Source::Owner],
        (Order::Trigger, status) => {
            let mut sources = if status.is_none() { vec![Source::Running] } else { vec![] };
            for status in Status::ALL.into_iter().filter(|one| *one != Status::Running && status.is_none_or(|status| status == *one)) {
                let use_cases = match &query.use_case {
                    Some(use_case) => vec![use_case.clone()],
                    None => use_cases(connection, status)?,
                };
                let is_within = |name: &String| query.within.as_ref().is_none_or(|within| within.contains(name));
                sources.extend(use_cases.into_iter().filter(is_within).map(|use_case| Source::Of(use_case, status)));
            }
            sources
        }
    })
}

/// Returns the use cases with requests of this status. Reads one entry of the index for each.
fn use_cases(connection: &Connection, status: Status) -> rusqlite::Result<Vec<String>> {
    let mut next = connection.prepare_cached(&next_use_case(status))?;
    let mut use_cases: Vec<String> = Vec::new();
    // No name is empty.
    while let Some(name) = next.query_row([use_cases.last().map_or("", String::as_str)], |row| row.get(0)).optional()? {
        use_cases.push(name);
    }
    Ok(use_cases)
}

/// Returns the statement for the first use case after ?1 with requests of this status.
pub(super) fn next_use_case(status: Status) -> String {
    format!("SELECT use_case FROM requests WHERE {} AND use_case > ?1 ORDER BY use_case LIMIT 1", indexed(status))
}

/// Returns the condition of the indexes of lists for a status other than `running`. It has literals, since SQLite does not use a partial
/// index for a parameter. The indexes have no notices.
fn indexed(status: Status) -> String {
    format!("{} AND notice_of IS NULL", of(status))
}

fn of(status: Status) -> String {
    let ended = if status.is_end() { " AND finished_at IS NOT NULL" } else { "" };
    format!("status = '{status}'{ended}")
}

/// The values of a statement's parameters.
#[derive(Default)]
struct Values(Vec<Box<dyn ToSql>>);

impl Values {
    /// Returns the parameter of a value.
    fn add(&mut self, value: impl ToSql + 'static) -> String {
        self.0.push(Box::new(value));
        format!("?{}", self.0.len())
    }
}

/// Returns the statement of a source with its parameters. Its rows are those of the index in the range of the query; a column tells whether
/// a row matches the whole query, so that the rows that do not are counted, too.
pub(super) fn statement(query: &Query, source: &Source, most: u32) -> (String, Vec<Box<dyn ToSql>>) {
    let mut values = Values::default();
    // The index of labels has the trigger times.
    let time = match (query.order, source) {
        (Order::Trigger, Source::Label) => "label.at",
        (Order::Trigger, _) => "trigger_at",
        (Order::Due, _) => "due_at",
        (Order::Ended, _) => "finished_at",
    };
    let (from, mut within) = match source {
        Source::Label => {
            let (name, value) = query.labels.first().cloned().unwrap_or_default();
            let within = vec![format!("label.name = {}", values.add(name)), format!("label.value = {}", values.add(value))];
            // SQLite keeps the order of a cross join: the labels first.
            ("labels AS label CROSS JOIN requests ON requests.seq = label.request", within)
        }
        Source::Lane(Lane { use_case, target, .. }) => {
            let lane = [format!("use_case = {}", values.add(use_case.clone())), format!("target = {}", values.add(target.clone()))];
            ("requests INDEXED BY requests_due_by_lane", lane.into())
        }
        Source::Ended => ("requests INDEXED BY requests_finished", vec![]),
        Source::Owner => ("requests INDEXED BY requests_by_owner", vec![format!("owner = {}", values.add(query.owner.clone()))]),
        Source::Running => ("requests INDEXED BY requests_leased", vec![of(Status::Running)]),
        Source::Of(use_case, status) => ("requests", vec![format!("use_case = {}", values.add(use_case.clone())), indexed(*status)]),
    };
    match query.order {
        Order::Trigger => {}
        Order::Due => within.push(of(Status::Scheduled)),
        Order::Ended => within.push("finished_at IS NOT NULL".to_owned()),
    }
    within.extend(query.from.map(|from| format!("{time} >= {}", values.add(millis(from)))));
    within.extend(query.to.map(|to| format!("{time} < {}", values.add(millis(to)))));
    within.extend(
        query.after.map(|after| format!("({time}, id) > ({}, {})", values.add(millis(after.at)), values.add(after.id.to_string()))),
    );

    let mut matches = vec!["notice_of IS NULL".to_owned()];
    matches.extend(query.status.map(of));
    matches.extend(query.use_case.clone().map(|use_case| format!("use_case = {}", values.add(use_case))));
    matches.extend(query.owner.clone().map(|owner| format!("owner = {}", values.add(owner))));
    if let Some(names) = &query.within {
        let names: Vec<String> = names.iter().map(|name| values.add(name.clone())).collect();
        matches.push(format!("use_case IN ({})", names.join(", ")));
    }
    for (name, value) in query.labels.iter().skip(usize::from(matches!(source, Source::Label))) {
        let (name, value) = (values.add(name.clone()), values.add(value.clone()));
        matches
            .push(format!("EXISTS (SELECT 1 FROM labels WHERE name = {name} AND value = {value} AND at = trigger_at AND request = seq)"));
    }
    let (matches, within) = (matches.join(" AND "), within.join(" AND "));
    // The limit bounds what SQLite sorts where the index has not the whole order.
    let sql = format!("SELECT {COLUMNS}, {time}, ({matches}) IS TRUE FROM {from} WHERE {within} ORDER BY {time}, id LIMIT {}", most + 1);
    (sql, values.0)
}
