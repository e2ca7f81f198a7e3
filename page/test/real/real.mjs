// The page against a real server, in Chromium: `node test/real/real.mjs URL KEY`. The use case is the tests' "puppet". The end-to-end tests
// start the server and run this; they fail if it does.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { checkAxe, launch, openPage } from "../page/browser.mjs";

const [url, key] = process.argv.slice(2);
const shots = process.env.PAGE_SHOTS;

/** Calls the API, and returns the document of its answer. */
async function api(method, path, body) {
  const headers = { authorization: `Bearer ${key}`, ...(body ? { "content-type": "application/json" } : {}) };
  const answer = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  const document = await answer.json();
  assert.ok(answer.ok, `${method} ${path}: ${JSON.stringify(document)}`);
  return document;
}

/** A server has no dead letters, and the browser logs its answer to the one question for them. */
const isOfLetters = (error) => error.includes("status of 404");

const browser = await launch();
try {
  const { page, errors } = await openPage(browser);

  await page.goto(`${url}/ui`);
  await page.getByLabel("Key", { exact: true }).fill(key);
  await page.getByRole("button", { name: "Use this key" }).click();
  await page.getByText("Nothing falls due in the next hour.").waitFor();
  // The one call that showed that a key is needed.
  assert.deepEqual(
    errors.splice(0).filter((error) => !error.includes("401") && !isOfLetters(error)),
    [],
  );

  const { correlationId: soon } = await api("POST", "/requests/puppet", { delay: "PT30M", note: "a body" });
  await page.getByText("1 in the next hour").waitFor();
  await page.getByRole("link", { name: "Requests", exact: true }).click();
  await page.getByText("live", { exact: true }).waitFor();
  await page.getByRole("link", { name: "All", exact: true }).click();
  const table = page.getByRole("table", { name: "Requests" });
  await table.getByRole("cell", { name: "scheduled" }).waitFor();

  const { correlationId: bad } = await api("POST", "/requests/puppet", {
    delay: "PT0S",
    process: { do: "fail", message: "no such mailbox" },
  });
  await table.getByRole("cell", { name: "failed" }).waitFor();
  await page.goto(`${url}/ui/#/requests/${bad}`);
  await page.getByRole("heading", { name: "Request of puppet" }).waitFor();
  await page.locator(".view-head").getByText("failed").waitFor();
  await checkAxe(page, "a failed request of a real server");
  if (shots) {
    await mkdir(shots, { recursive: true });
    await page.screenshot({ path: join(shots, "real-request.png"), fullPage: true });
  }
  await page.getByRole("button", { name: "Retry …" }).click();
  await page.getByRole("button", { name: "Retry now" }).click();
  await page.getByText("Retried by hand").waitFor();

  await page.goto(`${url}/ui/#/requests/${soon}`);
  await page.getByRole("button", { name: "Show the body" }).click();
  await page.getByRole("group", { name: "Body" }).getByText("a body").waitFor();
  await page.getByRole("button", { name: "Move …" }).click();
  await page.getByRole("button", { name: "By a delay from now" }).click();
  await page.getByLabel("Delay", { exact: true }).fill("90");
  await page.getByRole("button", { name: "Move", exact: true }).click();
  await page.getByRole("status").getByText("The request is moved.").waitFor();
  const { triggerAt } = await api("GET", `/requests/${soon}`);
  assert.ok(Math.abs(Date.parse(triggerAt) - Date.now() - 90 * 60_000) < 60_000, triggerAt);
  await page.getByRole("button", { name: "Cancel …" }).click();
  await page.getByRole("button", { name: "Cancel the request" }).click();
  await page.getByRole("status").getByText("The request is cancelled.").waitFor();
  assert.equal((await api("GET", `/requests/${soon}`)).status, "cancelled");

  await page.getByRole("link", { name: "Use cases" }).click();
  await page.getByRole("link", { name: "puppet", exact: true }).click();
  await page.getByRole("region", { name: "Plugin process" }).getByText("puppet.wasm").waitFor();
  await page.getByRole("region", { name: "Versions" }).getByText("serves", { exact: true }).waitFor();
  await page.getByText("it is served from the server's directory of use cases").waitFor();
  await checkAxe(page, "a use case of a real server");
  assert.deepEqual(
    errors.filter((error) => !isOfLetters(error)),
    [],
  );
} finally {
  await browser.close();
}
