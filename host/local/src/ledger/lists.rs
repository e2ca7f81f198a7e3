//! Lists of requests.

use std::fmt::Write as _;

use postdate_core::request::{Order, Page, Query, Request, Status};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::Lane;
use super::rows::{self, millis, read_request};

/// The columns of a request, as a list has it. Omits the columns that SQLite finds only by reading a large result, and most of a failure.
const COLUMNS: &str = "seq, id, use_case, version, target, status, received_at, trigger_at, first_trigger_at, due_at, attempts, \
     failures, interruptions, lease_ms, lease_until, finished_at, NULL, substr(failure, 1, 1001), NULL, notice_of, \
     0, waits_for, waits_since, owner, NULL, labels, erased_at, NULL";

/// Returns one page, ordered by the query's time and id. Omits notices, which are found through the request that they are about.
pub fn list(connection: &Connection, query: &Query) -> rusqlite::Result<Page> {
    // SQLite has no plan for an empty set and a named index.
    if query.within.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Page::default());
    }
    let mut requests = match query.order {
        // The index has the due times of each lane, so the first of each are merged.
        Order::Due if query.labels.is_empty() => {
            let lanes = rows::lanes(connection)?.into_iter();
            let lanes = lanes.filter(|lane| query.use_case.as_ref().is_none_or(|use_case| *use_case == lane.use_case));
            let mut requests = Vec::new();
            for lane in lanes {
                requests.extend(read(connection, query, Some(&lane))?);
            }
            requests.sort_by_key(|request| request.place(Order::Due));
            requests
        }
        _ => read(connection, query, None)?,
    };
    let more = requests.len() > query.limit;
    requests.truncate(query.limit);
    let next = requests.last().filter(|_| more).map(|request| request.place(query.order));
    Ok(Page { requests, next })
}

fn read(connection: &Connection, query: &Query, lane: Option<&Lane>) -> rusqlite::Result<Vec<Request>> {
    let (sql, values) = list_sql(query, lane);
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map(params_from_iter(values.iter()), |row| Ok(read_request(row)?.1.listed()))?.collect()
}

/// The conditions of a statement, and the values of their parameters.
#[derive(Default)]
struct Conditions {
    text: String,
    values: Vec<Box<dyn ToSql>>,
}

impl Conditions {
    /// Adds a condition that has a parameter at its end.
    fn add(&mut self, condition: &str, value: impl ToSql + 'static) {
        let parameter = self.parameter(value);
        let _ = write!(self.text, " AND {condition} {parameter}");
    }

    fn parameter(&mut self, value: impl ToSql + 'static) -> String {
        self.values.push(Box::new(value));
        format!("?{}", self.values.len())
    }
}

/// Returns the statement of a list, or of one lane of it, with its parameters. It reads one more request than the page holds, to know
/// whether there is a next page.
pub(super) fn list_sql(query: &Query, lane: Option<&Lane>) -> (String, Vec<Box<dyn ToSql>>) {
    let mut all = Conditions { text: "notice_of IS NULL".to_owned(), ..Conditions::default() };
    // The index of labels has the trigger times.
    let time = match query.order {
        Order::Trigger if query.labels.is_empty() => "trigger_at",
        Order::Trigger => "label.at",
        Order::Due => "due_at",
        Order::Ended => "finished_at",
    };
    for (n, (name, value)) in query.labels.iter().enumerate() {
        let (name, value) = (all.parameter(name.clone()), all.parameter(value.clone()));
        let _ = match n {
            0 => write!(all.text, " AND label.name = {name} AND label.value = {value}"),
            _ => write!(
                all.text,
                " AND EXISTS (SELECT 1 FROM labels WHERE name = {name} AND value = {value} AND at = trigger_at AND request = seq)"
            ),
        };
    }
    if let Some(Lane { use_case, target, .. }) = lane {
        all.add("use_case =", use_case.clone());
        all.add("target =", target.clone());
    } else if let Some(use_case) = &query.use_case {
        all.add("use_case =", use_case.clone());
    }
    if let Some(owner) = &query.owner {
        all.add("owner =", owner.clone());
    }
    if let Some(from) = query.from {
        all.add(&format!("{time} >="), millis(from));
    }
    if let Some(to) = query.to {
        all.add(&format!("{time} <"), millis(to));
    }
    if let Some(after) = query.after {
        let (at, id) = (all.parameter(millis(after.at)), all.parameter(after.id.to_string()));
        let _ = write!(all.text, " AND ({time}, id) > ({at}, {id})");
    }
    if let Some(names) = &query.within {
        let names: Vec<String> = names.iter().map(|name| all.parameter(name.clone())).collect();
        let _ = write!(all.text, " AND use_case IN ({})", names.join(", "));
    }
    let Conditions { text: conditions, values } = all;
    let order = format!("ORDER BY {time}, id LIMIT {}", query.limit.saturating_add(1));
    // Literals, since SQLite does not use a partial index for a parameter.
    let of = |status: Status| {
        let ended = if status.is_end() { " AND finished_at IS NOT NULL" } else { "" };
        format!("status = '{status}'{ended}")
    };
    let of_status = |status: Status| {
        // Few requests run, so their index is the best one for any other filter.
        let hint = if status == Status::Running { "INDEXED BY requests_leased" } else { "" };
        format!("SELECT {COLUMNS} FROM requests {hint} WHERE {conditions} AND {} {order}", of(status))
    };
    let of_order = match (query.order, query.status) {
        (Order::Due, _) => of(Status::Scheduled),
        (_, Some(status)) => of(status),
        (Order::Ended, None) => "finished_at IS NOT NULL".to_owned(),
        (Order::Trigger, None) => "TRUE".to_owned(),
    };
    let sql = match (query.order, query.status) {
        _ if !query.labels.is_empty() => {
            // SQLite keeps the order of a cross join: the labels first.
            let from = "labels AS label CROSS JOIN requests ON requests.seq = label.request";
            format!("SELECT {COLUMNS} FROM {from} WHERE {conditions} AND {of_order} {order}")
        }
        (Order::Due, _) => {
            format!("SELECT {COLUMNS} FROM requests INDEXED BY requests_due_by_lane WHERE {conditions} AND {of_order} {order}")
        }
        (Order::Ended, _) => {
            format!("SELECT {COLUMNS} FROM requests INDEXED BY requests_finished WHERE {conditions} AND {of_order} {order}")
        }
        (Order::Trigger, Some(status)) => of_status(status),
        // The use case and the owner have indexes with every status.
        (Order::Trigger, None) if query.use_case.is_some() || query.owner.is_some() => {
            format!("SELECT {COLUMNS} FROM requests WHERE {conditions} {order}")
        }
        (Order::Trigger, None) => {
            let pages = Status::ALL.map(|status| format!("SELECT * FROM ({})", of_status(status)));
            format!("{} {order}", pages.join(" UNION ALL "))
        }
    };
    (sql, values)
}
