//! Example validator: accepts or rejects an order, and sets its price and its target.

use std::collections::BTreeMap;

use postdate_plugin::serde_json::value::{RawValue, to_raw_value};
use postdate_plugin::serde_json::{self, Value};
use postdate_plugin::{Acceptance, Problem, Request, required_config, validator};

/// Price of each item, in whole cents: fractions would bring rounding errors.
const PRICES: [(&str, u64); 3] = [("book", 1_250), ("pen", 300), ("lamp", 4_900)];

/// The members of the body that the rules use. The processor gets the other members as well.
#[derive(serde::Deserialize)]
struct Order {
    item: String,
    quantity: u64,
}

fn validate(request: Request) -> Result<Acceptance, Vec<Problem>> {
    // If the body does not fit, `?` rejects it with one problem that points at the wrong member.
    let order: Order = request.json()?;
    let (price, target) = check(&order)?;

    // The processor gets this body instead of the request's: here, with the price of the order.
    let body = priced(&request.body, price * order.quantity, &required_config("currency"));
    let acceptance = Acceptance::unchanged().with_body(&body);
    Ok(match target {
        Some(alias) => acceptance.with_target(alias),
        None => acceptance,
    })
}

/// Returns the members of an order with its price. Keeps the client's members as they were written: parsed as numbers, integers of 2^64
/// and more would become floats.
fn priced(order: &str, total: u64, currency: &str) -> BTreeMap<String, Box<RawValue>> {
    let raw = |json: Value| to_raw_value(&json).expect("a number and a text are JSON");
    let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(order).expect("an order was read from it before");
    members.insert("total".to_owned(), raw(total.into()));
    members.insert("currency".to_owned(), raw(currency.into()));
    members
}

/// Returns the price of one item, and the target for big orders. Fails with all reasons to reject the order, so that the client can
/// correct all of them at once.
fn check(order: &Order) -> Result<(u64, Option<&'static str>), Vec<Problem>> {
    let price = PRICES.iter().find(|(item, _)| *item == order.item).map(|(_, price)| *price);
    let mut problems = Vec::new();
    if price.is_none() {
        let items: Vec<_> = PRICES.iter().map(|(item, _)| *item).collect();
        problems.push(Problem::new("/item", "unknown-item", format!("the shop sells {}", items.join(", "))));
    }
    if order.quantity < 1 {
        problems.push(Problem::new("/quantity", "minimum", "order at least 1"));
    }
    if order.quantity > 100 {
        problems.push(Problem::new("/quantity", "maximum", "order at most 100"));
    }
    match price {
        Some(price) if problems.is_empty() => Ok((price, (order.quantity > 50).then_some("heavy"))),
        _ => Err(problems),
    }
}

validator!(validate);

#[cfg(test)]
mod tests;
