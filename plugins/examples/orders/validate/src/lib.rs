//! Example validator: accepts or rejects an order, and computes its price and its target.

use postdate_plugin::{Acceptance, Problem, Request, required_config, serde_json, validator};

/// Items of the shop, with the price of one in cents. Amounts are whole cents, since fractions have rounding errors.
const PRICES: [(&str, u64); 3] = [("book", 1_250), ("pen", 300), ("lamp", 4_900)];

/// The members of the body that the rules read. Other members are kept for the processor.
#[derive(serde::Deserialize)]
struct Order {
    item: String,
    quantity: u64,
}

fn validate(request: Request) -> Result<Acceptance, Vec<Problem>> {
    // `?` rejects an invalid body with one problem, which has the pointer of the member.
    let order: Order = request.json()?;
    let (price, target) = check(&order)?;

    // An accepted body may have more members than the request: here, the price.
    let mut body: serde_json::Value = request.json()?;
    body["total"] = (price * order.quantity).into();
    body["currency"] = required_config("currency").into();

    let acceptance = Acceptance::unchanged().with_body(&body);
    Ok(match target {
        Some(alias) => acceptance.with_target(alias),
        None => acceptance,
    })
}

/// Returns the price of one, and the target of a big order; or every problem, so that a client can correct all at once.
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
