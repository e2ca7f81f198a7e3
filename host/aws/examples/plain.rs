//! A baseline of `cargo xtask bench`: only the SDK clients and the calls of an accepted POST, without
//! Postdate's plugins and checks.

use std::sync::Arc;

use anyhow::Context as _;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use aws_sdk_eventbridge::types::Target;
use lambda_http::{Error, Request, Response, service_fn};
use postdate_aws::clients::Clients;
use postdate_aws::config::Config;

struct Plain {
    config: Config,
    table: aws_sdk_dynamodb::Client,
    rules: aws_sdk_eventbridge::Client,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::from_env(|name| std::env::var(name).ok())?;
    let clients = Clients::new(&config);
    let plain = Arc::new(Plain { table: clients.dynamodb(), rules: clients.eventbridge(), config });
    // Opens the connection before the first request, like the processor in its init phase.
    plain.table.get_item().table_name(&plain.config.table).key("pk", text("x")).key("sk", text("x")).send().await?;
    lambda_http::run(service_fn(move |request: Request| {
        let plain = Arc::clone(&plain);
        async move {
            let body = String::from_utf8_lossy(request.body().as_ref()).into_owned();
            plain.accept(body).await?;
            Ok::<_, Error>(Response::builder().status(202).body("{}".to_owned())?)
        }
    }))
    .await
}

impl Plain {
    async fn accept(&self, body: String) -> Result<(), Error> {
        let table = &self.config.table;
        let name = "postdate-plain-01a20c87-aa44-77fd-b97b-f8e3d9b8c691";
        let put = |sk: &str| {
            let put = Put::builder().table_name(table).item("pk", text(name)).item("sk", text(sk)).item("body", text(&body)).build();
            put.map(|put| TransactWriteItem::builder().put(put).build())
        };
        self.table.transact_write_items().transact_items(put("request")?).transact_items(put("body")?).send().await?;
        self.rules.put_rule().name(name).schedule_expression("cron(0 0 1 1 ? 2030)").send().await?;
        let target = Target::builder().id("it").arn(&self.config.target_arn).input(&body).build().context("a target")?;
        self.rules.put_targets().rule(name).targets(target).send().await?;
        Ok(())
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}
