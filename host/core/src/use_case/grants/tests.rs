use serde_json::json;

use crate::use_case::UseCase;

const MANIFEST: &str = r#"
name = "orders"
[validate]
plugin = "validate.wasm"
headers = ["x-tenant"]
[process]
plugin = "process.wasm"
memory = "32MiB"
timeout = "5s"
allow-http = ["https://api.example.com"]
secrets = ["SECRET_SHOP"]
[targets]
default = "here"
here = { kind = "plugin", concurrency = 10 }
queue = { kind = "sqs", arn = "arn:aws:sqs:eu-central-1:123456789012:orders", direct = true }
[targets.hook]
kind = "http"
url = "https://example.com:8443/hook/token?key=1"
rate = "50/s"
sign = "SECRET_SIGN"
headers = { authorization = "Bearer ${secret:SECRET_HOOK}" }
"#;

#[test]
fn grants_show_names_and_limits_and_no_url_beyond_its_origin() {
    let use_case = UseCase::parse(MANIFEST).unwrap();
    let plugins = json!([
        { "role": "validate", "plugin": "validate.wasm", "memoryBytes": 64 << 20, "timeoutSeconds": 1.0, "headers": ["x-tenant"],
          "allowHttp": [], "secrets": [] },
        { "role": "process", "plugin": "process.wasm", "memoryBytes": 32 << 20, "timeoutSeconds": 5.0, "headers": [],
          "allowHttp": ["https://api.example.com"], "secrets": ["SECRET_SHOP"] },
    ]);
    assert_eq!(json!(use_case.grants()), plugins);
    let reach = json!([
        { "target": "here", "kind": "plugin", "isDefault": true, "isDirect": false, "secrets": [], "concurrency": 10 },
        { "target": "hook", "kind": "http", "isDefault": false, "isDirect": false, "address": "https://example.com:8443",
          "secrets": ["SECRET_HOOK", "SECRET_SIGN"], "rate": "50/s" },
        { "target": "queue", "kind": "sqs", "isDefault": false, "isDirect": true, "address": "arn:aws:sqs:eu-central-1:123456789012:orders",
          "secrets": [] },
    ]);
    assert_eq!(json!(use_case.reach()), reach);
}
