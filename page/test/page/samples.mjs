// A busy shop: what the tests and the screenshots show.
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const FAILURES = [
  ["webhook answered 503 Service Unavailable; attempt 5 of 5", 14],
  ['connection refused by the target "warehouse"', 6],
  ["process: the order 0199f8a0-3c5e-7b1a-9d42-5f0e8c7a6b11 has been paid already", 3],
];

/** Fills a server with use cases and requests. */
export function fill(fake) {
  const version = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
  fake.useCases = [
    { name: "orders", description: "Ships an order when its time has come.", version, targets: ["warehouse", "mail"] },
    {
      name: "reminders",
      description: "Sends a reminder to a customer.",
      version: "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
      targets: ["mail", "sms"],
      paused: [
        {
          target: "sms",
          since: new Date(Date.now() - 25 * MINUTE).toISOString(),
          until: new Date(Date.now() + 2 * HOUR).toISOString(),
          by: "ops",
        },
      ],
    },
    {
      name: "webhook",
      description: "Posts a body to a URL, later.",
      version: "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9",
      targets: ["hook"],
      update: { state: "loading", since: new Date(Date.now() - 20_000).toISOString() },
    },
    {
      name: "invoices",
      description: "Writes the invoices of a month.",
      version: null,
      targets: [],
      error: "process.wasm: the component imports wasi:sockets, which no grant allows",
    },
  ];
  fillUseCase(fake, version);
  const customers = ["acme", "globex", "initech"];
  // The next hour has a wave, the next day a quiet night.
  for (let minute = 0; minute < 60; minute += 1) {
    const count = Math.round(3 + 2.5 * Math.sin(minute / 7));
    for (let index = 0; index < count; index += 1) {
      const isReminder = (minute + index) % 4 === 0;
      fake.add({
        at: minute * MINUTE + 15_000 + index * 7_000,
        labels: { customer: customers[(minute + index) % 3] },
        useCase: isReminder ? "reminders" : "orders",
        target: isReminder ? "mail" : "warehouse",
      });
    }
  }
  for (let index = 0; index < 160; index += 1) {
    fake.add({ at: HOUR + Math.round((((index * 37) % 160) / 160) * 22 * HOUR), labels: { customer: customers[index % 3] } });
  }
  for (let index = 0; index < 9; index += 1) {
    fake.add({
      at: -4 * MINUTE + index * 10_000,
      useCase: "reminders",
      target: "sms",
      waitsFor: index < 6 ? "the end of the pause of target sms" : "its turn at target sms (50/s)",
      waitsSince: new Date(Date.now() - 4 * MINUTE + index * 10_000).toISOString(),
    });
  }
  for (const [failure, count] of FAILURES) {
    for (let index = 0; index < count; index += 1) {
      fake.add({
        at: -(index + 1) * HOUR,
        status: "failed",
        ended: -(index + 1) * HOUR + 40_000,
        attempts: 5,
        failure: failure.replace("0199f8a0", `0199f8a${index}`),
      });
    }
  }
  for (let index = 0; index < 40; index += 1) {
    fake.add({
      at: -(index + 1) * 3 * MINUTE,
      status: "succeeded",
      ended: -(index + 1) * 3 * MINUTE + 1_200,
      attempts: 1,
      result: '{"shipped":true}',
    });
  }
  for (let index = 0; index < 3; index += 1) {
    fake.add({ at: -index * 700 - 500, status: "running", attempts: 1, events: [[-index * 700, "started", "running", 1]] });
  }
  return {
    failed: fake.add({
      at: -10 * MINUTE,
      status: "failed",
      ended: -8 * MINUTE,
      attempts: 2,
      labels: { customer: "acme", region: "eu-west" },
      owner: "shop",
      failure: 'target "warehouse": the answer was 503 Service Unavailable; attempt 2 of 2',
      result: '{"status":503,"trace":12345678901234567890,"lines":[{"sku":"A-100","left":0},{"sku":"B-7","left":2}]}',
      body: `{"customer":{"id":"acme"},"order":12345678901234567890,"lines":[{"sku":"A-100","count":1},{"sku":"B-7","count":3}],"triggerAt":"${new Date(Date.now() - 10 * MINUTE).toISOString()}"}`,
      events: [
        [-10 * MINUTE, "deferred", "scheduled", 1, "waits for a free slot"],
        [-10 * MINUTE + 800, "started", "running", 1],
        [
          -10 * MINUTE + 2_050,
          "attempt-failed",
          "scheduled",
          1,
          'target "warehouse": the answer was 503 Service Unavailable; attempt 1 of 2',
        ],
        [-8 * MINUTE - 1_500, "started", "running", 2],
        [-8 * MINUTE, "failed", "failed", 2, 'target "warehouse": the answer was 503 Service Unavailable; attempt 2 of 2'],
      ],
    }),
    scheduled: fake.add({ at: 26 * HOUR, labels: { customer: "globex" }, owner: "shop" }),
  };
}

/** Fills in what the use case "orders" may do, and its versions. The middle one is unusable. */
function fillUseCase(fake, version) {
  fake.grants.orders = {
    plugins: [
      {
        role: "validate",
        plugin: "validate.wasm",
        memoryBytes: 67_108_864,
        timeoutSeconds: 1,
        headers: ["x-tenant"],
        allowHttp: [],
        secrets: [],
      },
      {
        role: "process",
        plugin: "process.wasm",
        memoryBytes: 33_554_432,
        timeoutSeconds: 10,
        headers: [],
        allowHttp: ["https://api.shop.example.com", "https://stock.warehouse.example.com:8443"],
        secrets: ["SECRET_SHOP", "SECRET_STOCK"],
      },
    ],
    reach: [
      {
        target: "mail",
        kind: "http",
        isDefault: false,
        isDirect: false,
        address: "https://mail.example.com",
        secrets: ["SECRET_MAIL"],
        rate: "50/s",
      },
      { target: "warehouse", kind: "plugin", isDefault: true, isDirect: false, secrets: [], concurrency: 10 },
    ],
  };
  const pushed = (days) => new Date(Date.now() - days * 24 * HOUR).toISOString();
  const stored = {
    pushedBy: "ann@build",
    bytes: 1_843_200,
    signedBy: ["ed25519:kq3vXb0c9d"],
    compiledFor: [],
    cases: ["accepted", "late", "paid-twice", "unknown-customer"],
  };
  fake.versions.orders = {
    versions: [
      { version, isCurrent: true, serves: true, pushedAt: pushed(2), ...stored },
      {
        version: "71d0c2f9a3b84e65",
        isCurrent: false,
        serves: false,
        error: "bundle.json is not what was pushed: push the bundle again to mend it",
      },
      { version: "5feceb66ffc86f38", isCurrent: false, serves: false, servedUntil: pushed(2), pushedAt: pushed(9), ...stored },
    ],
    current: { since: pushed(2), by: "ann@build" },
  };
}

/** Adds dead letters: of a failed request, of a rule, of a stream that no host reaches, and one without a request. */
export function fillLetters(fake, { failed, scheduled }) {
  const sent = (minutes) => new Date(Date.now() - minutes * MINUTE).toISOString();
  fake.deadLetters = [
    {
      correlationId: failed.correlationId,
      useCase: "orders",
      messageId: "a1f1c6be-0f0a-4a53-9f0f-5f2f0f6d2b11",
      sent: sent(8),
      reason: 'REQUEST_FAILED: target "warehouse": the answer was 503 Service Unavailable; attempt 2 of 2',
      attributes: { ERROR_CODE: "REQUEST_FAILED" },
    },
    {
      correlationId: scheduled.correlationId,
      useCase: "orders",
      messageId: "b2e2d7cf-1f1b-4b64-8a1a-6a3a1a7e3c22",
      sent: sent(95),
      reason: "NO_PERMISSIONS: is not authorized to perform: kinesis:PutRecord: MaximumRetryAttempts",
      attributes: { ERROR_CODE: "NO_PERMISSIONS" },
      stays:
        "its direct target is a Kinesis stream, to which only EventBridge delivers: deliver the message yourself, or send a new request",
    },
    {
      correlationId: null,
      useCase: null,
      messageId: "c3d3e8da-2a2c-4c75-9b2b-7b4b2b8f4d33",
      sent: sent(60 * 26),
      reason: "received too often from the delay queue",
      attributes: {},
      stays: "it names no request",
    },
  ];
}

/** Returns text of OpenMetrics that grows with time. `start` is when the process began, in milliseconds. */
export function metrics(start) {
  const begun = performance.now();
  return () => {
    const seconds = 300 + (performance.now() - begun) / 1_000;
    const wave = Math.sin(seconds / 5) * 30;
    const ended = Math.round(seconds * 40 + wave);
    const lane = 'use_case="orders",target="warehouse"';
    const bucket = (le, share) => `postdate_lateness_seconds_bucket{le="${le}",${lane}} ${Math.round(ended * share)}`;
    return `${[
      "# TYPE postdate_requests_accepted counter",
      `postdate_requests_accepted_total{${lane}} ${Math.round(seconds * 42 + wave * 1.5)}`,
      `postdate_requests_ended_total{${lane},outcome="succeeded"} ${ended}`,
      `postdate_requests_ended_total{${lane},outcome="failed"} ${Math.round(seconds * 0.8)}`,
      bucket("0.001", 0.2),
      bucket("0.0025", 0.7),
      bucket("0.005", 0.9),
      bucket("0.01", 0.97),
      bucket("0.1", 1),
      bucket("+Inf", 1),
      `postdate_running{use_case="orders",kind="delivery"} 3`,
      `postdate_backlog_due{${lane}} 9`,
      `postdate_start_time_seconds ${Math.round(start / 1_000)}`,
      "# EOF",
    ].join("\n")}\n`;
  };
}
