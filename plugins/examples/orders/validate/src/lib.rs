//! Example validator: decides whether an order can be taken, what it costs, and who handles it.

use postdate_plugin::{Acceptance, Problem, Request, required_config, serde_json, validator};

/// What the shop sells, and the price of one in cents. Money is counted in whole cents: fractions round wrongly.
const PRICES: [(&str, u64); 3] = [("book", 1_250), ("pen", 300), ("lamp", 4_900)];

/// The part of the body that the rules read. Whatever else the client sends is kept for the processor.
#[derive(serde::Deserialize)]
struct Order {
    item: String,
    quantity: u64,
}

fn validate(request: Request) -> Result<Acceptance, Vec<Problem>> {
    // `?` answers a body that does not fit with one problem that points at the wrong member.
    let order: Order = request.json()?;
    let (price, target) = check(&order)?;

    // An accepted body may say more than the request did: here, what the order costs.
    let mut body: serde_json::Value = request.json()?;
    body["total"] = (price * order.quantity).into();
    body["currency"] = required_config("currency").into();

    let acceptance = Acceptance::unchanged().with_body(&body);
    Ok(match target {
        Some(alias) => acceptance.with_target(alias),
        None => acceptance,
    })
}

/// The price of one, and the target that big orders go to; or every reason to say no, so that a client mends all at once.
fn check(order: &Order) -> Result<(u64, Option<&'static str>), Vec<Problem>> {
    let price = PRICES.iter().find(|(item, _)| *item == order.item).map(|(_, price)| *price);
    let mut problems = Vec::new();
    if price.is_none() {
        let items: Vec<_> = PRICES.iter().map(|(item, _)| *item).collect();
        problems.push(Problem::new("/item", "unknown-item", format!("the shop sells {}", items.join(", "))));
    }
    if order.quantity < 1 {
        problems.push(Problem::new("/quantity", "minimum", "order one at the least"));
    }
    if order.quantity > 100 {
        problems.push(Problem::new("/quantity", "maximum", "order 100 at the most"));
    }
    match price {
        Some(price) if problems.is_empty() => Ok((price, (order.quantity > 50).then_some("heavy"))),
        _ => Err(problems),
    }
}

validator!(validate);

#[cfg(test)]
mod tests;
