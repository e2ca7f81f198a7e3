import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { checkAxe, checkWidth, setUp, until } from "./browser.mjs";
import { fill, fillLetters, metrics } from "./samples.mjs";

const HOUR = 3_600_000;
const browser = setUp();
const open = (...args) => browser.open(...args);

/** Where pictures are written; none without it. */
const SHOTS = process.env.PAGE_SHOTS;

/** The pictures of the documents, by view and colours: names in `docs`. */
const DOCS = {
  "overview-light": "page",
  "overview-dark": "page-dark",
  "requests-light": "page-requests",
  "request-light": "page-request",
  "use-cases-light": "page-use-cases",
};

const VIEWS = {
  overview: ["#/", "Failures in the last day"],
  requests: ["#/requests?by=due&status=scheduled", "End of the list|Next page"],
  failed: ["#/requests?status=failed&by=ended&from=-24h&to=now", "Service Unavailable"],
  request: [({ failed }) => `#/requests/${failed.correlationId}`, "Attempt started"],
  "use-cases": ["#/use-cases", "target paused"],
  "use-case": ["#/use-cases/orders", "paid-twice"],
  "dead-letters": ["#/dead-letters", "REQUEST_FAILED"],
  unknown: ["#/nothing", "There is no such page"],
};

for (const [name, [route, text]] of Object.entries(VIEWS)) {
  for (const colorScheme of ["light", "dark"]) {
    for (const [width, height] of [
      [1280, 900],
      [360, 740],
    ]) {
      test(`${name} is accessible and fits: ${colorScheme}, ${width} px`, async (t) => {
        const prepare = (fake) => {
          fake.metrics = metrics(Date.now() - HOUR);
          const filled = fill(fake);
          if (name === "dead-letters") {
            fillLetters(fake, filled);
          }
          return filled;
        };
        const { page } = await open(t, { route, prepare, colorScheme, viewport: { width, height } });
        await page.getByText(new RegExp(text)).first().waitFor();
        if (name === "request") {
          await page.getByRole("button", { name: "Show the body" }).click();
          await page.getByRole("group", { name: "Body" }).getByText("customer").waitFor();
        }
        if (name === "overview") {
          await page
            .getByText("2 wait", { exact: false })
            .or(page.getByText("6 wait", { exact: false }))
            .first()
            .waitFor();
          await page.getByRole("img", { name: /^Requests a second: now \d/ }).waitFor({ timeout: 20_000 });
          await page.getByText("Numbers").click();
        }
        await checkAxe(page, name);
        await checkWidth(page, name);
        if (name === "overview") {
          await page.getByText("Numbers").click();
        }
        if (SHOTS) {
          await mkdir(SHOTS, { recursive: true });
          await page.screenshot({ path: join(SHOTS, `${name}-${width}-${colorScheme}.png`), fullPage: true });
          const document = DOCS[`${name}-${colorScheme}`];
          if (document && width > 360) {
            // A list is cut at the window's height; other views are whole.
            const bottom = await page.locator("main").evaluate((main) => main.lastElementChild.getBoundingClientRect().bottom);
            const clip = { x: 0, y: 0, width, height: name === "requests" ? height : Math.ceil(bottom) + 24 };
            await page.screenshot({ path: join(SHOTS, `${document}.png`), clip, fullPage: true });
          }
        }
      });
    }
  }
}

test("the overview says what is due, what has failed and what is held up", async (t) => {
  const prepare = (fake) => {
    for (let index = 0; index < 3; index += 1) {
      fake.add({ at: 10 * 60_000 + index });
    }
    fake.add({ at: 20 * HOUR });
    fake.add({
      at: -60_000,
      useCase: "mailing",
      target: "sms",
      waitsFor: "its turn at target sms (50/s)",
      waitsSince: new Date(Date.now() - 60_000).toISOString(),
    });
    for (let index = 0; index < 2; index += 1) {
      fake.add({ at: -30_000, useCase: "mailing", target: "mail", waitsFor: "its turn at target mail (5/s)" });
    }
    fake.add({ at: -HOUR, status: "failed", ended: -HOUR, attempts: 1, failure: "hook: the answer was 503; attempt 1 of 1" });
    fake.add({ at: -HOUR, status: "expired", ended: -HOUR, failure: "not started in time" });
    fake.add({ at: -48 * HOUR, status: "failed", ended: -48 * HOUR, failure: "too old to count" });
    fake.useCases = [
      {
        name: "mailing",
        description: "",
        version: "abc",
        targets: ["sms"],
        paused: [{ target: "sms", since: new Date().toISOString(), by: "ops" }],
      },
    ];
    fake.ledger = { warning: "the WAL has 300 MiB" };
  };
  const { page } = await open(t, { prepare });
  await page.getByText("3 in the next hour").waitFor();
  await page.getByRole("button", { name: "Next day" }).click();
  await page.getByText("4 in the next day").waitFor();
  const failures = page.getByRole("region", { name: "Failures in the last day" });
  await failures.getByText("hook: the answer was 503", { exact: true }).waitFor();
  await failures.getByText("not started in time").waitFor();
  assert.equal(await failures.getByText("too old to count").count(), 0);
  const held = page.getByRole("region", { name: "Paused and limited" });
  await held.getByText("1 waits for its turn at target sms (50/s)").waitFor();
  await held.getByText("2 wait for their turn at target mail (5/s)").waitFor();
  await held.getByText("until somebody resumes").waitFor();
  await page.getByText("the WAL has 300 MiB").waitFor();
  await page.getByText("This server has no metrics").waitFor();
  await page.getByRole("link", { name: "Running" }).click();
  await page.getByText("No request matches.").waitFor();
});

test("a server with more due requests than one page is asked a bounded number of times", async (t) => {
  const prepare = (fake) => {
    for (let index = 0; index < 1_500; index += 1) {
      fake.add({ at: 5 * 60_000 + index });
    }
  };
  const { page, fake } = await open(t, { prepare });
  await page.getByText(/1\d\d\+ in the next hour/).waitFor();
  await page.getByText("Pale bars have more requests").waitFor();
  const calls = fake.calls.filter((call) => call.includes("dueFrom"));
  assert.ok(calls.length <= 31, `${calls.length} calls`);
});

test("an empty server has an empty state in each view", async (t) => {
  const { page } = await open(t);
  for (const text of [
    "Nothing falls due in the next hour.",
    "Nothing has failed in the last day.",
    "No target is paused",
    "nothing is late",
  ]) {
    await page.getByText(text).waitFor();
  }
  await page.getByRole("link", { name: "Requests" }).click();
  await page.getByText("No request matches.").waitFor();
  await page.getByRole("link", { name: "Use cases" }).click();
  await page.getByText("No use case is served").waitFor();
});

test("filters narrow the list, stand in the address, and can be removed", async (t) => {
  const { page, fake } = await open(t, { route: "#/requests", prepare: fill });
  const rows = page.getByRole("table", { name: "Requests" }).getByRole("row");
  await page.getByLabel("Use case").selectOption("reminders");
  await page.getByLabel("Status").selectOption("scheduled");
  await until(async () => (await page.getByRole("cell", { name: "orders", exact: true }).count()) === 0, "the filter by use case");
  assert.match(page.url(), /#\/requests\?useCase=reminders&status=scheduled$/);
  await page.getByLabel("Label", { exact: true }).fill("customer=acme");
  await page.getByRole("button", { name: "Add label" }).click();
  await until(() => fake.calls.some((call) => call.includes("label.customer=acme")), "the filter by label");
  await page.getByLabel("Time and order").selectOption("ended");
  await until(() => fake.calls.some((call) => call.includes("endedFrom=")), "the order by end");
  assert.equal(await page.getByLabel("Status").inputValue(), "", "a status that the API refuses beside the order is taken out");
  await page.getByRole("button", { name: "Remove label customer=acme" }).click();
  await page.getByRole("link", { name: "Clear" }).click();
  await until(async () => (await rows.count()) === 51, "the whole list");
  await page.getByLabel("Label", { exact: true }).fill("nonsense");
  await page.getByRole("button", { name: "Add label" }).click();
  await page.getByText("Write a label as name=value.").waitFor();
  await checkAxe(page, "a wrong label");
});

test("a range of two times is read in the chosen zone", async (t) => {
  const { page, fake } = await open(t, { route: "#/requests" });
  await page.getByLabel("Range").selectOption("custom");
  await page.getByLabel("From (local)").fill("2026-07-01T12:00:00");
  await until(() => fake.calls.some((call) => call.includes("from=2026-07-01T10%3A00%3A00.000Z")), "the bound in the zone of the browser");
  await page.getByRole("button", { name: /^Times: Local/ }).click();
  await page.getByLabel("Before (UTC)").fill("2026-07-02T00:00:00");
  await until(() => fake.calls.some((call) => /from=2026-07-01T10%3A.*&to=2026-07-02T00%3A00%3A00/.test(call)), "the bound in UTC");
});

test("a long list is paged, forwards and back", async (t) => {
  const { page } = await open(t, { route: "#/requests", prepare: fill });
  const first = () => page.getByRole("table").getByRole("row").nth(1).getByRole("link").getAttribute("href");
  await page.getByRole("link", { name: "Next page" }).waitFor();
  const start = await first();
  await page.getByRole("link", { name: "Next page" }).click();
  await until(async () => (await first()) !== start, "the second page");
  await page.getByRole("link", { name: "Previous page" }).click();
  await until(async () => (await first()) === start, "the first page again");
  assert.equal(await page.getByRole("link", { name: "Previous page" }).count(), 0);
});

test("the list follows changes by polling, and stops when it shall not", async (t) => {
  const { page, fake } = await open(t, { route: "#/requests", prepare: (fake) => fake.add({ at: -1_000 }) });
  await page.getByRole("cell", { name: "scheduled" }).waitFor();
  const [request] = fake.requests;
  Object.assign(request, { attempts: 1 });
  fake.change(request, "started", "running");
  await page.getByRole("cell", { name: "running" }).waitFor();
  await page.getByLabel("Live").uncheck();
  await until(async () => (await page.locator(".stale").count()) === 0, "the last load");
  const count = () => fake.calls.filter((call) => call.startsWith("GET /requests")).length;
  // A call that was on its way may still arrive.
  await page.waitForTimeout(1_000);
  const before = count();
  await page.waitForTimeout(6_000);
  assert.equal(count(), before, "no call while the list is not live");
});

test("events of the server update a view at once", async (t) => {
  const prepare = (fake) => {
    fake.hasEvents = true;
    return fake.add({ at: HOUR });
  };
  const { page, fake, prepared } = await open(t, { route: "#/requests", prepare });
  await page.getByText("live", { exact: true }).waitFor();
  await page.getByRole("cell", { name: "scheduled" }).waitFor();
  const started = Date.now();
  fake.change(prepared, "cancelled", "cancelled");
  await page.getByRole("cell", { name: "cancelled" }).waitFor();
  assert.ok(Date.now() - started < 3_000, "an event is faster than a poll");
});

test("a failed request shows its story, and numbers as they were written", async (t) => {
  const { page, fake } = await open(t, { prepare: fill, route: ({ failed }) => `#/requests/${failed.correlationId}` });
  await page.getByRole("heading", { name: "Request of orders" }).waitFor();
  const attempts = page.getByRole("region", { name: "Attempts" }).getByRole("row");
  assert.equal(await attempts.count(), 3);
  await page.getByRole("region", { name: "History" }).getByText("waits for a free slot").waitFor();
  await page.getByRole("group", { name: "Result" }).getByText("12345678901234567890").waitFor();
  assert.ok(!fake.calls.some((call) => call.endsWith("/body")), "the body is not loaded unless somebody asks");
  await page.getByRole("button", { name: "Show the body" }).click();
  await page.getByRole("group", { name: "Body" }).getByText('"order": 12345678901234567890').waitFor();
  await page.getByRole("link", { name: "customer=acme" }).click();
  await page.getByRole("button", { name: "Remove label customer=acme" }).waitFor();
});

test("a failed request is retried after a confirmation, and seen to run", async (t) => {
  const { page, fake, prepared } = await open(t, { prepare: fill, route: ({ failed }) => `#/requests/${failed.correlationId}` });
  await page.getByRole("button", { name: "Retry …" }).click();
  await page.getByRole("dialog", { name: "Retry this request" }).waitFor();
  await checkAxe(page, "the dialog of a retry");
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("dialog").count(), 0);
  assert.equal(prepared.failed.status, "failed", "a dialog that is closed does nothing");
  await page.getByRole("button", { name: "Retry …" }).click();
  await page.getByRole("button", { name: "Retry now" }).click();
  await page.getByRole("status").getByText("The request runs again.").waitFor();
  await page.getByText("Retried by hand").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "H1", "the focus is not lost with the button");
  Object.assign(prepared.failed, { attempts: 3 });
  fake.change(prepared.failed, "started", "running");
  await page.locator(".view-head").getByText("running").waitFor();
  fake.change(prepared.failed, "succeeded", "succeeded", { finishedAt: new Date().toISOString(), failure: undefined });
  const started = Date.now();
  await page.locator(".view-head").getByText("succeeded").waitFor();
  assert.ok(Date.now() - started < 5_000, "a call that waits is answered at the end");
});

test("a scheduled request is moved, and a refusal is shown where it was made", async (t) => {
  const { page, prepared } = await open(t, { prepare: fill, route: ({ scheduled }) => `#/requests/${scheduled.correlationId}` });
  await page.getByRole("button", { name: "Move …" }).click();
  await page.getByLabel("New time (local)").fill("2020-01-01T00:00:00");
  await page.getByRole("button", { name: "Move", exact: true }).click();
  await page.getByRole("dialog").getByText("Code: trigger-in-past").waitFor();
  await page.getByLabel("New time (local)").fill("2099-01-01T00:00:00");
  await page.getByRole("button", { name: "Move", exact: true }).click();
  await page.getByRole("dialog").getByText("the shop closes before that").waitFor();
  await checkAxe(page, "the dialog of a move, with an error");
  await page.getByRole("button", { name: "By a delay from now" }).click();
  await page.getByLabel("Delay", { exact: true }).fill("90");
  await page.getByRole("button", { name: "Move", exact: true }).click();
  await page.getByRole("status").getByText("The request is moved.").waitFor();
  const minutes = (Date.parse(prepared.scheduled.triggerAt) - Date.now()) / 60_000;
  assert.ok(minutes > 89 && minutes <= 90, `${minutes} minutes`);
  await page.getByText("in 1 h 29 min").first().waitFor();
});

test("a scheduled request is cancelled, and one that has run meanwhile is not", async (t) => {
  const { page, fake, prepared } = await open(t, { prepare: fill, route: ({ scheduled }) => `#/requests/${scheduled.correlationId}` });
  await page.getByRole("button", { name: "Cancel …" }).click();
  prepared.scheduled.status = "running";
  await page.getByRole("button", { name: "Cancel the request" }).click();
  await page.getByRole("dialog").getByText("it is no longer scheduled").waitFor();
  prepared.scheduled.status = "scheduled";
  await page.getByRole("button", { name: "Cancel the request" }).click();
  await page.getByRole("status").getByText("The request is cancelled.").waitFor();
  await page.locator(".view-head").getByText("cancelled").waitFor();
  assert.equal(await page.getByRole("button", { name: "Move …" }).count(), 0);
  assert.equal(fake.calls.filter((call) => call.startsWith("DELETE")).length, 2);
});

test("a request is erased only after a second confirmation", async (t) => {
  const { page, fake } = await open(t, { prepare: fill, route: ({ failed }) => `#/requests/${failed.correlationId}` });
  await page.getByRole("button", { name: "Erase …" }).click();
  await page.getByRole("button", { name: "Erase for ever" }).click();
  assert.ok(!fake.calls.some((call) => call.endsWith("/erase")), "the box must be checked");
  await page.getByLabel("I know that this cannot be undone").check();
  await page.getByRole("button", { name: "Erase for ever" }).click();
  await page.getByText("The body was erased.").waitFor();
  assert.equal(await page.getByRole("region", { name: "Failure" }).count(), 0);
  assert.equal(await page.getByRole("button", { name: "Retry …" }).count(), 0);
});

test("a target is paused until a time, and resumed", async (t) => {
  const { page, fake } = await open(t, { prepare: fill, route: "#/use-cases" });
  await page.getByRole("button", { name: "Pause orders" }).click();
  await page.getByLabel("Paused").selectOption("mail");
  await page.getByLabel("Until").selectOption("3600");
  await checkAxe(page, "the dialog of a pause");
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await page.getByRole("status").getByText("Paused target mail of orders.").waitFor();
  const [pause] = fake.useCases[0].paused;
  assert.equal(pause.target, "mail");
  assert.ok(Math.abs(Date.parse(pause.until) - Date.now() - HOUR) < 10_000, pause.until);
  await page.getByRole("button", { name: "Resume target mail of orders" }).click();
  await page.getByRole("button", { name: "Resume", exact: true }).last().click();
  await page.getByRole("status").getByText("Resumed target mail of orders.").waitFor();
  assert.deepEqual(fake.useCases[0].paused, []);
});

test("a key without the scope is told which one it lacks", async (t) => {
  const prepare = (fake) => {
    fake.scopes = ["read"];
    fake.metrics = metrics(Date.now());
    return fill(fake);
  };
  const { page } = await open(t, { prepare, route: ({ failed }) => `#/requests/${failed.correlationId}` });
  await page.getByRole("button", { name: "Retry …" }).click();
  await page.getByRole("button", { name: "Retry now" }).click();
  await page.getByRole("dialog").getByText('lacks the scope "change"').waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: "Overview" }).click();
  await page.getByText('lacks the scope "operate"').waitFor();
});

test("the key is asked for, kept in this tab only, and can be forgotten", async (t) => {
  const prepare = (fake) => {
    fake.key = "s3cret-token";
    return fill(fake);
  };
  const { page, fake } = await open(t, { prepare });
  await page.getByLabel("Key", { exact: true }).fill("wrong");
  await checkAxe(page, "the form of the key");
  await page.getByRole("button", { name: "Use this key" }).click();
  await page.getByText("the API key is wrong").waitFor();
  const refused = fake.calls.filter((call) => !call.startsWith("GET /health"));
  assert.deepEqual(refused, ["GET /use-cases", "GET /use-cases"], "one call without a key, and one with a wrong key");
  await page.getByLabel("Key", { exact: true }).fill("two words");
  await page.getByRole("button", { name: "Use this key" }).click();
  await page.getByText("visible ASCII characters").waitFor();
  await page.getByLabel("Key", { exact: true }).fill(" s3cret-token ");
  await page.keyboard.press("Enter");
  await page.getByText("in the next hour").first().waitFor();
  const kept = await page.evaluate(() => [JSON.stringify(localStorage), document.cookie, JSON.stringify(sessionStorage), location.href]);
  assert.ok(
    !kept[0].includes("s3cret") && !kept[1].includes("s3cret") && !kept[3].includes("s3cret"),
    "the key is in the session storage only",
  );
  assert.ok(kept[2].includes("s3cret-token"));
  await page.reload();
  await page.getByText("in the next hour").first().waitFor();
  const other = await page.context().newPage();
  await other.goto(fake.url);
  await other.getByLabel("Key", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Forget key" }).click();
  await page.getByLabel("Key", { exact: true }).waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
});

test("a use case shows what it may do, and its versions", async (t) => {
  const { page, fake } = await open(t, { route: "#/use-cases", prepare: fill });
  await page.getByRole("link", { name: "orders", exact: true }).click();
  await page.getByRole("heading", { name: "orders", level: 1 }).waitFor();
  const process = page.getByRole("region", { name: "Plugin process" });
  for (const text of ["32 MiB", "10 s a call", "https://api.shop.example.com", "SECRET_STOCK"]) {
    await process.getByText(text).waitFor();
  }
  const mail = page.getByRole("region", { name: "Target mail" });
  for (const text of ["https://mail.example.com", "50/s", "SECRET_MAIL"]) {
    await mail.getByText(text).waitFor();
  }
  await page.getByRole("region", { name: "Target warehouse" }).getByText("10 at a time").waitFor();
  const versions = page.getByRole("region", { name: "Versions" }).getByRole("listitem");
  assert.equal(await versions.count(), 3);
  await versions.nth(0).getByText("serves", { exact: true }).waitFor();
  await versions.nth(1).getByText("is not what was pushed").waitFor();
  assert.equal(await page.getByRole("button", { name: /^Roll back to/ }).count(), 1, "neither what serves nor what is unusable");
  await page.getByRole("link", { name: "Use cases" }).click();
  await page.getByRole("link", { name: "failed in the last day of orders" }).click();
  await until(() => fake.calls.some((call) => /^GET \/requests\?useCase=orders.*status=failed/.test(call)), "the list of the use case");
});

test("a use case is rolled back after a confirmation", async (t) => {
  const { page, fake } = await open(t, { route: "#/use-cases/orders", prepare: fill });
  fake.scopes = ["read"];
  await page.getByRole("button", { name: "Roll back to version 5feceb66ffc86f38" }).click();
  await page.getByRole("dialog", { name: "Roll back orders" }).waitFor();
  await checkAxe(page, "the dialog of a roll back");
  await page.keyboard.press("Escape");
  assert.equal(fake.useCases[0].version.slice(0, 4), "9f86", "a dialog that is closed does nothing");
  await page.getByRole("button", { name: "Roll back to version 5feceb66ffc86f38" }).click();
  await page.getByRole("button", { name: "Roll back", exact: true }).click();
  await page.getByRole("dialog").getByText("Code: missing-scope").waitFor();
  fake.scopes = ["read", "deploy"];
  await page.getByRole("button", { name: "Roll back", exact: true }).click();
  await page.getByRole("status").getByText("Version 5feceb66ffc86f38 of orders serves again.").waitFor();
  await page.getByRole("region", { name: "Versions" }).getByRole("listitem").nth(2).getByText("serves", { exact: true }).waitFor();
  assert.equal(fake.useCases[0].version, "5feceb66ffc86f38");
});

test("a server that cannot roll back says why, and a key that may not see grants is told", async (t) => {
  const prepare = (fake) => {
    fill(fake);
    fake.scopes = ["read"];
    Object.assign(fake.versions.orders, {
      fixed: "the functions may only read the store: use `postdate use-case rollback --store`",
      more: 7,
    });
  };
  const { page } = await open(t, { route: "#/use-cases/orders", prepare });
  await page.getByText("This server cannot go back to one of them: the functions may only read the store").waitFor();
  await page.getByText("And 7 older ones").waitFor();
  await page.getByText("A key with the scope “deploy” or “operate” sees").waitFor();
  assert.equal(await page.getByRole("button", { name: /^Roll back/ }).count(), 0);
  await page.goto(page.url().replace("orders", "invoices"));
  await page.getByText("No version is stored yet.").waitFor();
  await checkAxe(page, "a use case that never served");
});

test("a use case that is gone is said to be unknown, once", async (t) => {
  const { page, fake } = await open(t, { route: "#/use-cases/nothing" });
  await page.getByText("Code: unknown-use-case").waitFor();
  await page.waitForTimeout(2_000);
  assert.equal(fake.calls.filter((call) => call === "GET /use-cases/nothing").length, 1);
});

test("a use case is paused and resumed on its own view", async (t) => {
  const { page, fake } = await open(t, { route: "#/use-cases/orders", prepare: fill });
  await page.getByRole("button", { name: "Pause …" }).click();
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await page.getByRole("button", { name: "Resume orders" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Resume" }).click();
  await page.getByRole("status").getByText("Resumed orders.").waitFor();
  assert.deepEqual(fake.useCases[0].paused, []);
});

test("dead letters are shown where there are some, and nowhere else", async (t) => {
  const { page, fake } = await open(t, { prepare: fill });
  await page.getByText("in the next hour").first().waitFor();
  await until(() => fake.calls.includes("HEAD /dead-letters"), "the question for dead letters");
  assert.equal(await page.getByRole("link", { name: "Dead letters" }).count(), 0);
  await page.waitForTimeout(1_500);
  assert.equal(fake.calls.filter((call) => call === "HEAD /dead-letters").length, 1, "a server without them is asked once");
  fake.deadLetters = [];
  await page.reload();
  await page.getByRole("link", { name: "Dead letters" }).click();
  await page.getByText("The dead-letter queue is empty.").waitFor();
  await checkAxe(page, "no dead letter");
  fake.fails = { status: 503, code: "dead-letters-unavailable", detail: "SQS: the security token has expired" };
  await page.getByRole("button", { name: "Read again" }).click();
  await page.getByText("Code: dead-letters-unavailable").waitFor();
  await checkAxe(page, "a queue that cannot be read");
  fake.fails = null;
  await page.getByRole("button", { name: "Read again" }).click();
  await until(async () => (await page.getByText("Code: dead-letters-unavailable").count()) === 0, "the next success");
});

test("a dead letter is sent again, and the letters of a request are deleted", async (t) => {
  const prepare = (fake) => {
    const filled = fill(fake);
    fillLetters(fake, filled);
    fake.deadLetters.push({ ...fake.deadLetters[0], messageId: "d4", reason: "REQUEST_FAILED: a second letter" });
    return filled;
  };
  const { page, fake, prepared } = await open(t, { route: "#/dead-letters", prepare });
  const { correlationId: id } = prepared.failed;
  await page.getByText("a second letter").waitFor();
  assert.equal(await page.getByRole("button", { name: /^Send again … the letter/ }).count(), 2, "two cannot be sent again");
  await page
    .getByRole("button", { name: `Send again … the letter of request ${id}` })
    .last()
    .click();
  await checkAxe(page, "the dialog of a letter that is sent again");
  await page.getByRole("button", { name: "Send again", exact: true }).click();
  await page.getByRole("status").getByText("sent to the target host again").waitFor();
  await until(async () => (await page.getByText("a second letter").count()) === 0, "the list without the letter");
  assert.ok(fake.calls.includes("POST /dead-letters/d4/redrive"), "one letter, not all of the request");
  await page.getByRole("button", { name: `Delete … the letters of request ${id}` }).click();
  await page.getByRole("dialog", { name: "Delete the letters of this request" }).waitFor();
  await checkAxe(page, "the dialog of a deletion");
  await page.keyboard.press("Escape");
  assert.equal(fake.deadLetters.length, 3, "a dialog that is closed does nothing");
  await page.getByRole("button", { name: `Delete … the letters of request ${id}` }).click();
  await page.getByRole("button", { name: "Delete for ever" }).click();
  await page.getByRole("status").getByText("One letter is deleted.").waitFor();
  assert.ok(fake.calls.includes(`DELETE /dead-letters/${id}`), "all letters of the request");
  const gone = fake.deadLetters.pop();
  await page.getByRole("button", { name: `Delete … the letter ${gone.messageId}` }).click();
  await page.getByRole("button", { name: "Delete for ever" }).click();
  await page.getByRole("dialog").getByText("Code: unknown-dead-letter").waitFor();
});

test("a page that does not know the delay queue sends no letter", async (t) => {
  const prepare = (fake) => {
    fillLetters(fake, fill(fake));
    fake.canRedrive = false;
  };
  const { page } = await open(t, { route: "#/dead-letters", prepare });
  await page.getByText("REQUEST_FAILED").waitFor();
  assert.equal(await page.getByRole("button", { name: /^Send again … the letter/ }).count(), 0);
  await page.getByText("and the URL of the delay queue to send letters again").waitFor();
});

test("a server that goes away is told in a banner, and the page goes on when it is back", async (t) => {
  const { page, fake } = await open(t, { route: "#/requests", prepare: (fake) => fake.add({ at: HOUR }) });
  await page.getByRole("cell", { name: "scheduled" }).waitFor();
  await fake.stop();
  await page.getByRole("alert").getByText("The server is away").waitFor();
  await checkAxe(page, "the banner");
  assert.equal(await page.getByRole("cell", { name: "scheduled" }).count(), 1, "the old data stays");
  fake.requests[0].status = "cancelled";
  await fake.start();
  await page
    .getByRole("button", { name: "Try now" })
    .click()
    .catch(() => {});
  await page.getByRole("cell", { name: "cancelled" }).waitFor();
  assert.equal(await page.getByText("The server is away").count(), 0);
});

test("a server that is away at the start opens the page when it is back", async (t) => {
  const prepare = (fake) => {
    fake.fails = { status: 502, code: "bad-gateway", detail: "no upstream" };
  };
  const { page, fake } = await open(t, { route: "#/use-cases", prepare });
  await page.getByRole("alert").getByText("The server is away").waitFor();
  const calls = fake.calls.length;
  await page.waitForTimeout(2_500);
  assert.ok(fake.calls.length - calls <= 6, `${fake.calls.length - calls} calls in 2.5 s`);
  fake.fails = null;
  await page.getByText("No use case is served").waitFor();
});

test("an error of the server is shown, and goes away with the next success", async (t) => {
  const prepare = (fake) => {
    fake.fails = { status: 500, code: "ledger-failed", detail: "the ledger failed" };
  };
  const { page, fake } = await open(t, { route: "#/use-cases", prepare });
  await page.getByText("Code: ledger-failed").waitFor();
  await checkAxe(page, "an error");
  fake.fails = null;
  await page.reload();
  await page.getByText("No use case is served").waitFor();
  fake.fails = { status: 503, code: "ledger-unavailable", detail: "out of reach for the moment" };
  await page.getByRole("link", { name: "Requests" }).click();
  await page.getByText("Code: ledger-unavailable").waitFor();
  fake.fails = null;
  await page.getByText("No request matches.").waitFor({ timeout: 15_000 });
  assert.equal(await page.getByText("ledger-unavailable").count(), 0);
});

test("an unhealthy server says so", async (t) => {
  const prepare = (fake) => {
    fake.ledger = { refuses: "the disk has 10 MiB left" };
  };
  const { page } = await open(t, { prepare });
  await page.getByText("No new request is taken: the disk has 10 MiB left").waitFor();
});

test("a request that does not exist is said to be unknown, once", async (t) => {
  const { page, fake } = await open(t, { route: "#/requests/01a22007-a03b-7a2e-ae53-8d5e4dc0abfa" });
  await page.getByText("Code: unknown-request").waitFor();
  const count = () => fake.calls.filter((call) => call.startsWith("GET /requests/")).length;
  await page.waitForTimeout(3_000);
  assert.equal(count(), 1);
});

test("everything can be reached by the keyboard", async (t) => {
  const { page, prepared } = await open(t, { prepare: fill });
  await page.getByText("in the next hour").first().waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "MAIN");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "invoices");
  await page.getByRole("link", { name: "Requests" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Requests" }).waitFor();
  await until(
    () => page.evaluate(() => document.activeElement.textContent === "Requests" && document.activeElement.tagName === "H1"),
    "the focus on the heading",
  );
  await page.getByLabel("Correlation id").focus();
  await page.keyboard.type(prepared.failed.correlationId);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Retry …" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await until(() => page.evaluate(() => document.activeElement.textContent === "Retry …"), "the focus back on the button");
});

test("the theme follows the system until somebody chooses", async (t) => {
  const { page } = await open(t, { colorScheme: "dark" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await page.getByRole("button", { name: /^Theme: Automatic/ }).click();
  await page.getByRole("button", { name: /^Theme: Light/ }).waitFor();
  const light = await ground();
  assert.notEqual(light, dark);
  await page.reload();
  assert.equal(await ground(), light);
  await page.getByRole("button", { name: /^Theme: Light/ }).click();
  assert.equal(await ground(), dark);
});

test("the page works below any base path, and loads nothing from elsewhere", async (t) => {
  const seen = [];
  const { page, fake } = await open(t, { base: "/prod/v1", prepare: fill });
  page.on("request", (request) => seen.push(request.url()));
  await page.reload();
  await page.getByText("in the next hour").first().waitFor();
  await page.getByRole("link", { name: "Use cases" }).click();
  await page.getByText("target paused").waitFor();
  const base = fake.url.replace(/ui\/$/, "");
  assert.ok(seen.length > 5 && seen.every((url) => url.startsWith(base)), seen.join("\n"));
});
