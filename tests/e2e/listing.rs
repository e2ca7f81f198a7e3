//! `GET /requests`: filters and pagination.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::harness::{PUPPET, Server, text};

async fn ids(server: &Server, query: &str) -> Vec<String> {
    let page = server.api.get(&format!("/requests?{query}")).await.expect(200);
    page["requests"].as_array().unwrap().iter().map(|request| text(request, "correlationId").to_owned()).collect()
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let server = Server::builder().use_case("one", PUPPET).use_case("two", PUPPET).test_clock().start().await;
    let done = server.api.submit("one", json!({ "delay": "PT1S" })).await;
    let failed = server.api.submit("two", json!({ "delay": "PT2S", "process": { "do": "fail" } })).await;
    let cancelled = server.api.submit("one", json!({ "delay": "PT1H" })).await;
    let waiting = server.api.submit("two", json!({ "delay": "PT2H" })).await;
    server.api.delete(&format!("/requests/{cancelled}")).await.expect(200);
    server.api.advance("PT10S").await;

    let all = [&done, &failed, &cancelled, &waiting];
    assert_eq!(ids(&server, "").await.iter().collect::<Vec<_>>(), all, "requests are listed in order of triggerAt");
    assert_eq!(ids(&server, "useCase=one").await.iter().collect::<Vec<_>>(), [&done, &cancelled]);
    assert_eq!(ids(&server, "useCase=none").await, Vec::<String>::new());
    for (status, id) in [("succeeded", &done), ("failed", &failed), ("cancelled", &cancelled), ("scheduled", &waiting)] {
        assert_eq!(ids(&server, &format!("status={status}")).await.as_slice(), std::slice::from_ref(id), "{status}");
    }
    assert_eq!(ids(&server, "status=running").await, Vec::<String>::new());
    assert_eq!(ids(&server, "useCase=two&status=scheduled").await.as_slice(), std::slice::from_ref(&waiting));
    // `from` is inclusive, `to` is exclusive. The plus sign of an offset may be unescaped.
    assert_eq!(ids(&server, "from=2027-01-01T00:00:02Z&to=2027-01-01T02:00:00Z").await.iter().collect::<Vec<_>>(), [&failed, &cancelled]);
    assert_eq!(ids(&server, "from=2027-01-01T03:00:00+01:00").await, [waiting]);
    let one = server.api.get("/requests?useCase=one&limit=1").await.expect(200);
    let expected = server.api.request(&done).await;
    for member in ["correlationId", "useCase", "status", "target", "triggerAt", "receivedAt", "attempts", "version", "links", "finishedAt"]
    {
        assert_eq!(one["requests"][0][member], expected[member], "{member}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_requests_are_paged_through_each_exactly_once() {
    let server = Server::puppet().await;
    let mut posted = HashSet::new();
    for n in 0..300 {
        // About 43 requests share each time. No page may lose or repeat one of them.
        posted.insert(server.api.submit("puppet", json!({ "delay": format!("PT{}S", 10 + n % 7) })).await);
    }
    for limit in [500, 300, 299, 70, 1] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        let most_pages = if limit == 1 { 25 } else { usize::MAX };
        for _ in 0..most_pages {
            let page = server.api.get(&format!("/requests?limit={limit}{cursor}")).await.expect(200);
            let requests: Vec<Value> = page["requests"].as_array().unwrap().clone();
            assert!(requests.len() <= limit, "{} of {limit}", requests.len());
            seen.extend(requests);
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let times: Vec<&str> = seen.iter().map(|request| text(request, "triggerAt")).collect();
        assert!(times.is_sorted(), "limit {limit}: {times:?}");
        let distinct: HashSet<String> = seen.iter().map(|request| text(request, "correlationId").to_owned()).collect();
        assert_eq!(distinct.len(), seen.len(), "limit {limit}: a request came twice");
        if limit == 1 {
            assert_eq!(seen.len(), 25);
        } else {
            assert_eq!(distinct, posted, "limit {limit}");
        }
    }
    let default = server.api.get("/requests").await.expect(200);
    assert_eq!(default["requests"].as_array().unwrap().len(), 50);
}
