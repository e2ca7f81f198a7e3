import assert from "node:assert/strict";
import { test } from "node:test";
import { countDue, totalOf } from "../../src/logic/due.js";
import { EMPTY, apiQuery, filtersLink, parseFilters, parseLabel, rangeOf, resolveTime, settled } from "../../src/logic/filters.js";
import { member, pretty } from "../../src/logic/json.js";
import { histogram, parseMetrics, quantile, ratesOf, sampleOf, since, sum } from "../../src/logic/metrics.js";
import { groupBy, reasonOf, recentFailures } from "../../src/logic/reasons.js";
import { actionsOf, attemptsOf } from "../../src/logic/request.js";
import { parseRoute, requestLink, useCaseLink } from "../../src/logic/route.js";
import { sizeText } from "../../src/logic/size.js";
import { eventParser } from "../../src/logic/sse.js";
import { coarse, duration, fromInput, inputValue, isoDuration, relative, stamp } from "../../src/logic/time.js";

const NOW = Date.parse("2026-11-28T12:00:00Z");

test("routes name a view, and an unknown one is said to be unknown", () => {
  const check = (hash, view, id) => assert.deepEqual([parseRoute(hash).view, parseRoute(hash).id], [view, id], hash);
  check("", "overview");
  check("#/", "overview");
  check("#/requests?status=failed", "requests");
  check("#/requests/0199", "request", "0199");
  check("#/requests/a%2Fb", "request", "a/b");
  check("#/requests/%E0%A4%A", "request", "%E0%A4%A");
  check("#/use-cases", "use-cases");
  check("#/requests/1/2", "unknown");
  check("#/other", "unknown");
  assert.equal(parseRoute(requestLink("a/b?c")).id, "a/b?c");
  const { view, name } = parseRoute(useCaseLink("a b/c"));
  assert.deepEqual([view, name], ["use-case", "a b/c"]);
  check("#/dead-letters", "dead-letters");
});

test("filters survive the way through the address", () => {
  const filters = {
    useCase: "orders",
    status: "failed",
    by: "ended",
    from: "-24h",
    to: "now",
    labels: [["customer", "a=b&c"]],
    cursor: "x_1",
  };
  assert.deepEqual(parseFilters(parseRoute(filtersLink(filters)).params), filters);
  assert.equal(filtersLink({}), "#/requests");
  assert.deepEqual(parseFilters(new URLSearchParams()), EMPTY);
});

test("filters that are not known are dropped", () => {
  const parsed = parseFilters(new URLSearchParams("status=lost&by=luck&from=tomorrow&label.=x&label.a=&colour=red"));
  assert.deepEqual(parsed, EMPTY);
});

test("a time and a status that the API refuses together are never sent", () => {
  assert.equal(settled({ ...EMPTY, by: "due", status: "failed" }).by, "trigger");
  assert.equal(settled({ ...EMPTY, by: "ended", status: "running" }).by, "trigger");
  assert.equal(settled({ ...EMPTY, by: "ended", status: "expired" }).by, "ended");
});

test("filters become parameters of the API", () => {
  const query = (filters) =>
    apiQuery({ ...EMPTY, ...filters }, NOW, 50)
      .map((pair) => pair.join("="))
      .join("&");
  assert.equal(query({}), "limit=50");
  assert.equal(query({ by: "due", status: "scheduled" }), "status=scheduled&dueFrom=1970-01-01T00:00:00.000Z&limit=50");
  assert.equal(
    query({ by: "ended", from: "-24h", to: "now" }),
    "endedFrom=2026-11-27T12:00:00.000Z&endedTo=2026-11-28T12:00:00.000Z&limit=50",
  );
  assert.equal(query({ to: "+1h", labels: [["a", "b"]], cursor: "c" }), "to=2026-11-28T13:00:00.000Z&label.a=b&cursor=c&limit=50");
});

test("a bound is a moment, or relative to now", () => {
  assert.equal(resolveTime("+7d", NOW), "2026-12-05T12:00:00.000Z");
  assert.equal(resolveTime("2026-11-28T13:00:00+01:00", NOW), "2026-11-28T12:00:00.000Z");
  for (const text of ["", "2026", "7d", "+7w", "2026-99-99T00:00:00Z"]) {
    assert.equal(resolveTime(text, NOW), null, text);
  }
});

test("a range has the name that the form shows", () => {
  assert.equal(rangeOf({ from: "", to: "" }), "any");
  assert.equal(rangeOf({ from: "-24h", to: "now" }), "-24h");
  assert.equal(rangeOf({ from: "-24h", to: "" }), "custom");
});

test("a label is a name and a value", () => {
  assert.deepEqual(parseLabel(" customer = a=b "), ["customer", "a=b"]);
  for (const text of ["customer", "=a", "customer=", " =a"]) {
    assert.equal(parseLabel(text), null, text);
  }
});

test("lengths of time have at most two units", () => {
  const check = (millis, text) => assert.equal(duration(millis), text);
  check(0, "0 ms");
  check(999, "999 ms");
  check(1_250, "1.3 s");
  check(3_000, "3 s");
  check(59_999, "59 s");
  check(60_000, "1 min");
  check(116_000, "1 min 56 s");
  check(3_600_000 * 3 + 60_000 * 20, "3 h 20 min");
  check(3_600_000 * 12 + 60_000 * 20, "12 h");
  check(86_400_000 * 2 + 3_600_000, "2 d 1 h");
});

test("distances from now are told coarsely", () => {
  assert.equal(relative(NOW + 500, NOW), "now");
  assert.equal(relative(NOW + 3_000, NOW), "in 3 s");
  assert.equal(relative(NOW - 258_000, NOW), "4 min ago");
  assert.equal(relative(NOW + 86_400_000 * 1 + 119 * 60_000, NOW), "in 1 d 1 h");
  assert.equal(coarse(0), "1 s");
});

test("times are shown and read in the chosen zone", () => {
  assert.equal(stamp(NOW, "utc"), "2026-11-28 12:00:00");
  assert.equal(inputValue(NOW, "utc"), "2026-11-28T12:00:00");
  for (const zone of ["utc", "local"]) {
    assert.equal(fromInput(inputValue(NOW, zone), zone), NOW, zone);
  }
  assert.equal(fromInput("", "utc"), null);
  assert.equal(fromInput("soon", "local"), null);
});

test("a delay is a duration of ISO 8601", () => {
  assert.equal(isoDuration(15, "minutes"), "PT15M");
  assert.equal(isoDuration(2, "days"), "P2D");
  for (const number of [0, -1, 1.5, Number.NaN]) {
    assert.equal(isoDuration(number, "hours"), null);
  }
});

test("JSON is indented without a change of its tokens", () => {
  assert.equal(
    pretty('{"a":12345678901234567890,"b":[],"c":{},"d":[1,{"e":"x,{\\"}"}],"a":1.0}'),
    [
      "{",
      '  "a": 12345678901234567890,',
      '  "b": [],',
      '  "c": {},',
      '  "d": [',
      "    1,",
      "    {",
      '      "e": "x,{\\"}"',
      "    }",
      "  ],",
      '  "a": 1.0',
      "}",
    ].join("\n"),
  );
  assert.equal(pretty("[]"), "[]");
  assert.equal(pretty('"text"'), '"text"');
  assert.equal(pretty("no JSON {"), "no JSON {");
});

test("a member of a document is found as it is written", () => {
  const text = '{"a":{"result":1},"b":"result","result" : {"n":12345678901234567890, "x":[1,2]},"z":1}';
  assert.equal(member(text, "result"), '{"n":12345678901234567890, "x":[1,2]}');
  assert.equal(member(text, "z"), "1");
  assert.equal(member(text, "n"), null);
  assert.equal(member('{"result":"a,b}"}', "result"), '"a,b}"');
});

test("only what the API takes is offered", () => {
  const names = (request) =>
    Object.entries(actionsOf(request))
      .filter(([, may]) => may)
      .map(([name]) => name)
      .join(" ");
  assert.equal(names({ status: "scheduled" }), "move cancel erase");
  assert.equal(names({ status: "scheduled", waitsFor: "a free slot" }), "move cancel erase");
  assert.equal(names({ status: "scheduled", waitsFor: "a decision to retry or to cancel it" }), "retry move cancel erase");
  assert.equal(names({ status: "running" }), "");
  assert.equal(names({ status: "failed" }), "retry erase");
  assert.equal(names({ status: "expired" }), "retry erase");
  assert.equal(names({ status: "failed", erasedAt: "2026-11-28T12:00:00Z" }), "");
  assert.equal(names({ status: "succeeded" }), "erase");
});

test("attempts are read from the history", () => {
  const line = (second, event, attempt) => ({ at: new Date(NOW + second * 1_000).toISOString(), event, attempt });
  const history = [
    line(0, "accepted", 0),
    line(1, "deferred", 1),
    line(2, "started", 1),
    line(3, "attempt-failed", 1),
    line(4, "started", 2),
    line(6, "interrupted", 2),
    line(7, "started", 3),
  ];
  const attempts = attemptsOf(history).map(({ number, startedAt, endedAt, outcome }) => [
    number,
    startedAt - NOW,
    endedAt && endedAt - NOW,
    outcome,
  ]);
  assert.deepEqual(attempts, [
    [1, 2_000, 3_000, "failed"],
    [2, 4_000, 6_000, "interrupted"],
    [3, 7_000, null, "running"],
  ]);
});

function listOf(times) {
  const calls = [];
  const list = async (query) => {
    const { dueFrom, dueTo, limit } = Object.fromEntries(query);
    calls.push(query);
    const found = times.filter((at) => at >= Date.parse(dueFrom) && at < Date.parse(dueTo));
    const requests = found.slice(0, Number(limit)).map((at) => ({ triggerAt: new Date(at).toISOString() }));
    return { requests, ...(found.length > Number(limit) ? { nextCursor: "more" } : {}) };
  };
  return { list, calls };
}

const cells = ({ count, isMore }) => [count, isMore];

test("what is due is counted with one call where one page has it", async () => {
  const { list, calls } = listOf([NOW + 1, NOW + 61_000, NOW + 62_000, NOW + 200_000]);
  const buckets = await countDue(list, NOW, NOW, 60_000, 3);
  assert.deepEqual(buckets.map(cells), [
    [1, false],
    [2, false],
    [0, false],
  ]);
  assert.equal(calls.length, 1);
  assert.equal(totalOf(buckets), "3");
});

test("a bucket with too much to count says so", async () => {
  const many = Array.from({ length: 600 }, (_, index) => NOW + 60_000 + index);
  const { list, calls } = listOf([NOW + 1, ...many]);
  const buckets = await countDue(list, NOW, NOW, 60_000, 3);
  assert.deepEqual(buckets.map(cells), [
    [1, false],
    [100, true],
    [0, false],
  ]);
  assert.equal(calls.length, 4);
  assert.equal(totalOf(buckets), "101+");
});

test("failures are those of the widest span that fits on a page", async () => {
  const check = async (perHour, expected) => {
    let calls = 0;
    const list = async (query) => {
      calls += 1;
      const { status, endedFrom, limit } = Object.fromEntries(query);
      const count = status === "failed" ? Math.round((perHour * (NOW - Date.parse(endedFrom))) / 3_600_000) : 1;
      const requests = Array.from({ length: Math.min(count, Number(limit)) }, () => ({ status }));
      return { requests, ...(count > Number(limit) ? { nextCursor: "more" } : {}) };
    };
    const { span, isCut, requests } = await recentFailures(list, NOW);
    assert.deepEqual([span, isCut, requests.length, calls], expected);
  };
  await check(1, ["day", false, 25, 2]);
  await check(100, ["hour", false, 101, 4]);
  await check(3_600, ["5 minutes", false, 301, 6]);
  await check(36_000, ["5 minutes", true, 501, 6]);
});

test("reasons have no ids, times, attempts and further lines", () => {
  assert.equal(reasonOf("order 0199f8a0-3c5e-7b1a-9d42-5f0e8c7a6b11 is gone\nat line 7"), "order … is gone");
  assert.equal(reasonOf("hook: connection refused; retry 2 of 5 at 10:00:30Z"), "hook: connection refused at …");
  assert.equal(reasonOf("the answer was 503; attempt 5 of 5"), "the answer was 503");
  assert.equal(reasonOf(undefined), "no reason was recorded");
  assert.equal([...reasonOf("é".repeat(500))].length, 160);
});

test("groups come by number", () => {
  const requests = ["a", "b", "b"].map((failure, id) => ({ useCase: "orders", failure, id }));
  const groups = groupBy(requests, ({ failure }) => failure);
  assert.deepEqual(
    groups.map(({ text, count, first, last }) => [text, count, first.id, last.id]),
    [
      ["b", 2, 1, 2],
      ["a", 1, 0, 0],
    ],
  );
});

const METRICS = `# TYPE postdate_lateness_seconds histogram
postdate_lateness_seconds_bucket{le="0.001",use_case="a",target="x"} 5
postdate_lateness_seconds_bucket{le="0.1",use_case="a",target="x"} 9
postdate_lateness_seconds_bucket{le="+Inf",use_case="a",target="x"} 10
postdate_lateness_seconds_bucket{le="0.001",use_case="b",target="y \\"z\\"\\n"} 5
postdate_requests_ended_total{use_case="a",target="x",outcome="succeeded"} 7
postdate_requests_ended_total{use_case="a",target="x",outcome="failed"} 2
postdate_requests_accepted_total{use_case="a",target="x"} 12
postdate_start_time_seconds 1700000000
# EOF
`;

test("OpenMetrics are read", () => {
  const metrics = parseMetrics(METRICS);
  assert.equal(metrics.get("postdate_lateness_seconds_bucket")[3].labels.target, 'y "z"\n');
  assert.equal(sum(metrics, "postdate_requests_ended_total"), 9);
  assert.equal(sum(metrics, "postdate_requests_ended_total", "outcome", "failed"), 2);
  assert.equal(sum(metrics, "postdate_nothing"), 0);
  assert.deepEqual(histogram(metrics, "postdate_lateness_seconds"), [
    { bound: 0.001, count: 10 },
    { bound: 0.1, count: 9 },
    { bound: Infinity, count: 10 },
  ]);
});

test("quantiles are interpolated within their bucket", () => {
  const buckets = [
    { bound: 1, count: 50 },
    { bound: 3, count: 90 },
    { bound: Infinity, count: 100 },
  ];
  assert.equal(quantile(buckets, 0.25), 0.5);
  assert.equal(quantile(buckets, 0.7), 2);
  assert.equal(quantile(buckets, 0.99), 3);
  assert.equal(quantile([{ bound: 1, count: 0 }], 0.5), null);
  assert.equal(quantile([], 0.5), null);
  assert.deepEqual(
    since([{ bound: 1, count: 20 }], buckets).map(({ count }) => count),
    [30, 90, 100],
  );
});

test("rates are those between two scrapes, with a gap at a restart", () => {
  const sample = (second, accepted, start) => ({ ...sampleOf(parseMetrics(METRICS), NOW + second * 1_000), accepted, start });
  const rates = ratesOf([sample(0, 0, 1), sample(5, 50, 1), sample(10, 3, 2), sample(15, 8, 2)]);
  assert.deepEqual(rates.accepted, [10, null, 1]);
  assert.deepEqual(
    rates.times,
    [5, 10, 15].map((second) => NOW / 1_000 + second),
  );
  assert.deepEqual(ratesOf([sample(0, 0, 1)]).times, []);
});

test("events of a stream are put together from its pieces", () => {
  const events = [];
  const parse = eventParser((event) => events.push(event));
  for (const piece of [
    ": hello\n\nev",
    "ent: started\nda",
    'ta: {"a":1}\r',
    "\n\r\ndata:x\ndata: y\n",
    "\n",
    "id: 7\n\n",
    "data: cut off",
  ]) {
    parse(piece);
  }
  assert.deepEqual(events, [
    { type: "started", data: '{"a":1}' },
    { type: "message", data: "x\ny" },
  ]);
});

test("sizes have the largest unit that fits", () => {
  const check = (bytes, text) => assert.equal(sizeText(bytes), text);
  check(0, "0 bytes");
  check(1023, "1023 bytes");
  check(1024, "1 KiB");
  check(1_843_200, "1.8 MiB");
  check(200 * 1024 + 500, "200 KiB");
  check(5_000 * 1024 ** 3, "5000 GiB");
});
