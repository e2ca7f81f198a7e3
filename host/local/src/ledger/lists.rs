//! Lists of requests.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use chrono::{DateTime, Utc};
use postdate_core::id::CorrelationId;
use postdate_core::request::{Cursor, Order, Page, Query, Request, Status};
use postdate_core::use_case::MAX_LABELS;
use rusqlite::{Connection, ToSql, params, params_from_iter};

use super::Lane;
use super::rows::{self, COLUMN_COUNT, label, millis, optional_time, parsed, read_request, time};

/// The columns of a request, as a list has it. Omits the columns that SQLite finds only by reading a large result, and most of a failure.
const COLUMNS: &str = "seq, id, use_case, version, target, status, received_at, trigger_at, first_trigger_at, due_at, attempts, \
     failures, interruptions, lease_ms, lease_until, finished_at, NULL, substr(failure, 1, 1001), NULL, notice_of, \
     0, waits_for, waits_since, owner, NULL, erased_at, NULL, label_1, label_2, label_3, label_4, label_5";
/// Positions in a row: the id, the time of the list's order, and whether the row matches.
const ID: usize = 1;
const TIME: usize = COLUMN_COUNT;
const MATCHES: usize = COLUMN_COUNT + 1;

/// Limit of the rows that one page reads, as on AWS. Filters without an index of their own would otherwise let a page read the whole table.
pub const MAX_READ: u32 = 20_000;

/// Returns one page, ordered by the query's time and id. Omits notices, which are found through the request that they are about. The page
/// ends early, with a cursor, where it has read `most` rows.
pub fn list(connection: &Connection, query: &Query, most: u32) -> rusqlite::Result<Page> {
    // One snapshot: a request that changes its status between two sources would be in neither.
    let connection = &*connection.unchecked_transaction()?;
    let sources = sources(connection, query, most)?;
    // A single source is read by one statement to the end of the page: SQLite may have to sort its rows first.
    let first_rows = if sources.len() == 1 { most as usize + 1 } else { query.limit / sources.len().max(1) + 2 };
    let mut heads: BinaryHeap<_> = sources.iter().enumerate().map(|(part, (_, head))| Reverse((*head, part))).collect();
    let new_part = |(source, _)| Part { source, rows: VecDeque::new(), next_rows: first_rows, after: query.after, is_read: false };
    let mut parts: Vec<Part> = sources.into_iter().map(new_part).collect();

    let (mut requests, mut next, mut read) = (Vec::new(), None, 0);
    while let Some(Reverse((_, number))) = heads.peek().copied() {
        let part = &mut parts[number];
        let Some((place, request)) = part.rows.front() else {
            // The head was a bound: the source may have no more rows.
            heads.pop();
            part.read(connection, query, (most - read) as usize + 1)?;
            heads.extend(part.head().map(|head| Reverse((head, number))));
            continue;
        };
        if read == most || (requests.len() == query.limit && request.is_some()) {
            return Ok(Page { requests, next });
        }
        (next, read) = (Some(*place), read + 1);
        requests.extend(part.rows.pop_front().and_then(|(_, request)| request).map(|request| *request));
        heads.pop();
        heads.extend(part.head().map(|head| Reverse((head, number))));
    }
    Ok(Page { requests, next: None })
}

/// The place of a source's next row, or a bound before it. A bound without an id is before each row of its time.
type Head = (DateTime<Utc>, Option<CorrelationId>);

/// A source whose rows are read in parts, so that one with few rows in the page costs little.
struct Part {
    source: Source,
    /// Rows that were read and are not in the page yet: the place of each, and the request if it matches.
    rows: VecDeque<(Cursor, Option<Box<Request>>)>,
    /// Number of rows to read next.
    next_rows: usize,
    /// Place of the last row that was read.
    after: Option<Cursor>,
    is_read: bool,
}

impl Part {
    /// Reads the next rows, twice as many as before and at most `most`. Ends where it has more requests than a page.
    fn read(&mut self, connection: &Connection, query: &Query, most: usize) -> rusqlite::Result<()> {
        let limit = self.next_rows.min(most);
        let (sql, values) = statement(query, &self.source, self.after, limit);
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values.iter()))?;
        let mut found = 0;
        self.is_read = false;
        while found <= query.limit {
            let Some(row) = rows.next()? else {
                self.is_read = self.rows.len() < limit;
                break;
            };
            let place = Cursor { at: time(row, TIME)?, id: parsed(row, ID)? };
            let request = row.get::<_, bool>(MATCHES)?.then(|| read_request(row)).transpose()?;
            found += usize::from(request.is_some());
            self.rows.push_back((place, request.map(|(_, request)| Box::new(request.listed()))));
            self.after = Some(place);
        }
        self.next_rows *= 2;
        Ok(())
    }

    /// Returns `None` if the source has no more rows.
    fn head(&self) -> Option<Head> {
        let next = self.rows.front().map(|(place, _)| *place);
        next.or(self.after.filter(|_| !self.is_read)).map(|place| (place.at, Some(place.id)))
    }
}

/// An index that has the rows of a list, or a part of them, in the list's order.
#[derive(Debug)]
pub(super) enum Source {
    /// The requests that have the query's first label in the column `label_N`; N is 1 to `MAX_LABELS`. In another order than that of
    /// trigger times, SQLite sorts them.
    Label(usize),
    Lane(Lane),
    Ended,
    Owner,
    /// Few requests run.
    Running,
    /// The requests of a use case with another status.
    Of(String, Status),
}

/// Returns the sources whose rows, merged, are those of the list.
fn sources(connection: &Connection, query: &Query, most: u32) -> rusqlite::Result<Vec<(Source, Head)>> {
    let first: Head = (DateTime::<Utc>::MIN_UTC, None);
    if let Some((name, value)) = query.labels.first() {
        // In another order than that of the index, all of them are read and sorted, so there must not be many.
        let enough = if query.order == Order::Trigger { 1 } else { most + 1 };
        let first_label = label(name, value);
        let (mut columns, mut found) = (Vec::new(), 0);
        for column in 1..=MAX_LABELS {
            let from = format!("requests INDEXED BY requests_by_label_{column}");
            let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {from} WHERE label_{column} = ?1 LIMIT ?2)");
            let count = connection.prepare_cached(&sql)?.query_row(params![first_label, enough], |row| row.get::<_, u32>(0))?;
            columns.extend((count > 0).then_some((Source::Label(column), first)));
            found += count;
        }
        if query.order == Order::Trigger || found <= most {
            return Ok(columns);
        }
    }
    Ok(match (query.order, query.status) {
        (Order::Due, _) => {
            let is_asked = |lane: &Lane| query.use_case.as_ref().is_none_or(|use_case| *use_case == lane.use_case);
            let lanes = rows::lanes(connection)?.into_iter().filter(is_asked);
            lanes
                .map(|lane| {
                    let head = (lane.due_at, None);
                    (Source::Lane(lane), head)
                })
                .collect()
        }
        (Order::Ended, _) => vec![(Source::Ended, first)],
        (Order::Trigger, Some(Status::Running)) => vec![(Source::Running, first)],
        (Order::Trigger, _) if query.owner.is_some() => vec![(Source::Owner, first)],
        (Order::Trigger, status) => {
            let mut sources = if status.is_none() { vec![(Source::Running, first)] } else { vec![] };
            for status in Status::ALL.into_iter().filter(|one| *one != Status::Running && status.is_none_or(|status| status == *one)) {
                let use_cases = match &query.use_case {
                    Some(use_case) => vec![(use_case.clone(), first)],
                    None => use_cases(connection, query, status)?,
                };
                let is_within = |name: &String| query.within.as_ref().is_none_or(|within| within.contains(name));
                let use_cases = use_cases.into_iter().filter(|(name, _)| is_within(name));
                sources.extend(use_cases.map(|(name, head)| (Source::Of(name, status), head)));
            }
            sources
        }
    })
}

/// Returns the use cases with requests of this status in the range of the query, and the place of the first of each.
fn use_cases(connection: &Connection, query: &Query, status: Status) -> rusqlite::Result<Vec<(String, Head)>> {
    let (sql, values) = first_of_each(query, status);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values.iter()))?;
    let mut use_cases = Vec::new();
    while let Some(row) = rows.next()? {
        if let Some(at) = optional_time(row, 1)? {
            use_cases.push((row.get(0)?, (at, None)));
        }
    }
    Ok(use_cases)
}

/// Returns the statement for the use cases with requests of this status, with the time of the first of each in the range of the query, or
/// NULL. It reads two entries of the index for each use case.
pub(super) fn first_of_each(query: &Query, status: Status) -> (String, Vec<Box<dyn ToSql>>) {
    let (mut values, status) = (Values::default(), indexed(status));
    let range = range(query, query.after, "trigger_at", &mut values);
    let of_one = [format!("use_case = name AND {status}")].into_iter().chain(range).collect::<Vec<_>>().join(" AND ");
    let sql = format!(
        "WITH RECURSIVE names (name) AS (SELECT min(use_case) FROM requests WHERE {status} \
         UNION ALL SELECT (SELECT min(use_case) FROM requests WHERE {status} AND use_case > name) FROM names WHERE name IS NOT NULL) \
         SELECT name, (SELECT trigger_at FROM requests WHERE {of_one} ORDER BY trigger_at, id LIMIT 1) FROM names WHERE name IS NOT NULL"
    );
    (sql, values.0)
}

/// Returns the conditions of a range in the time of the list's order, from the query's bounds and from the last row that was read.
fn range(query: &Query, after: Option<Cursor>, time: &str, values: &mut Values) -> Vec<String> {
    // SQLite would search the index by this bound and not by the row, and read again what is between them.
    let from = query.from.filter(|from| after.is_none_or(|after| after.at < *from));
    let mut range = Vec::from_iter(from.map(|from| format!("{time} >= {}", values.add(millis(from)))));
    range.extend(query.to.map(|to| format!("{time} < {}", values.add(millis(to)))));
    range.extend(after.map(|after| format!("({time}, id) > ({}, {})", values.add(millis(after.at)), values.add(after.id.to_string()))));
    range
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

/// Returns the statement, with its parameters, of the next `limit` rows of a source. Its rows are those of the index in the range of the
/// query; a column tells whether a row matches the whole query, so that the rows that do not are counted, too.
pub(super) fn statement(query: &Query, source: &Source, after: Option<Cursor>, limit: usize) -> (String, Vec<Box<dyn ToSql>>) {
    let mut values = Values::default();
    let time = match query.order {
        Order::Trigger => "trigger_at",
        Order::Due => "due_at",
        Order::Ended => "finished_at",
    };
    let indexed_by = |index: &str| format!("requests INDEXED BY {index}");
    let (from, mut within) = match source {
        Source::Label(column) => {
            let first = query.labels.first().map(|(name, value)| label(name, value));
            (indexed_by(&format!("requests_by_label_{column}")), vec![format!("label_{column} = {}", values.add(first))])
        }
        Source::Lane(Lane { use_case, target, .. }) => {
            let lane = [format!("use_case = {}", values.add(use_case.clone())), format!("target = {}", values.add(target.clone()))];
            (indexed_by("requests_due_by_lane"), lane.into())
        }
        Source::Ended => (indexed_by("requests_finished"), vec![]),
        Source::Owner => (indexed_by("requests_by_owner"), vec![format!("owner = {}", values.add(query.owner.clone()))]),
        Source::Running => (indexed_by("requests_leased"), vec![of(Status::Running)]),
        Source::Of(use_case, status) => {
            ("requests".to_owned(), vec![format!("use_case = {}", values.add(use_case.clone())), indexed(*status)])
        }
    };
    match query.order {
        Order::Trigger => {}
        Order::Due => within.push(of(Status::Scheduled)),
        Order::Ended => within.push("finished_at IS NOT NULL".to_owned()),
    }
    within.extend(range(query, after, time, &mut values));

    let mut matches = vec!["notice_of IS NULL".to_owned()];
    matches.extend(query.status.map(of));
    matches.extend(query.use_case.clone().map(|use_case| format!("use_case = {}", values.add(use_case))));
    matches.extend(query.owner.clone().map(|owner| format!("owner = {}", values.add(owner))));
    if let Some(names) = &query.within {
        let names: Vec<String> = names.iter().map(|name| values.add(name.clone())).collect();
        matches.push(format!("use_case IN ({})", names.join(", ")));
    }
    for (name, value) in query.labels.iter().skip(usize::from(matches!(source, Source::Label(_)))) {
        matches.push(format!("{} IN (label_1, label_2, label_3, label_4, label_5)", values.add(label(name, value))));
    }
    let (matches, within) = (matches.join(" AND "), within.join(" AND "));
    // The limit bounds what SQLite sorts where the index has not the whole order.
    let limit = values.add(i64::try_from(limit).unwrap_or(i64::MAX));
    let sql = format!("SELECT {COLUMNS}, {time}, ({matches}) IS TRUE FROM {from} WHERE {within} ORDER BY {time}, id LIMIT {limit}");
    (sql, values.0)
}
