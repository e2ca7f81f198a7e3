// The browser of the tests: Chromium, built page and a server for it.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { chromium } from "playwright-core";
import { build } from "../../build.mjs";
import { startFake } from "./fake.mjs";

const PLACES = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Starts a browser without a window. */
export function launch() {
  const executablePath = PLACES.find((path) => path && existsSync(path));
  assert.ok(executablePath, "no Chromium: install Debian's package chromium, or set CHROMIUM to the path of one");
  // The sandbox of Chromium needs another user than root.
  return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
}

/** Sets up a browser and the built page for the tests of a file. Returns `open` and what else tests need. */
export function setUp() {
  const all = {};
  before(async () => {
    all.browser = await launch();
    all.dist = await mkdtemp(join(tmpdir(), "postdate-page-"));
    await build(all.dist);
  });
  after(async () => {
    await all.browser?.close();
    await rm(all.dist, { recursive: true, force: true });
  });
  /** Opens the page at a route, with a server of its own. Both end with the test, which fails if the console has shown an error. */
  all.open = async (t, { route = "#/", prepare = () => {}, base, viewport = { width: 1280, height: 900 }, colorScheme = "light" } = {}) => {
    const fake = await startFake({ page: all.dist, base });
    const prepared = prepare(fake);
    const context = await all.browser.newContext({ viewport, colorScheme, timezoneId: "Europe/Berlin", locale: "en-GB" });
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    const errors = [];
    page.on("pageerror", (error) => errors.push(`${error}`));
    page.on("console", (message) => {
      // An error answer of the API is logged by the browser, too.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
        errors.push(message.text());
      }
    });
    t.after(async () => {
      await context.close();
      await fake.stop();
      assert.deepEqual(errors, [], "errors of the console");
    });
    const routed = typeof route === "function" ? route(prepared) : route;
    await page.goto(fake.url + routed);
    return { page, fake, prepared, errors };
  };
  return all;
}

/** Opens a page for a real server. `errors` gets what the page throws, and what its console shows as an error. */
export async function openPage(browser) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, locale: "en-GB" });
  page.setDefaultTimeout(20_000);
  const errors = [];
  page.on("pageerror", (error) => errors.push(`${error}`));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  return { page, errors };
}

/** Fails if axe finds a violation of an accessibility rule. */
export async function checkAxe(page, where) {
  // Evaluated by the debugger, which the page's CSP does not bind.
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  const found = violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${help}: ${html}: ${failureSummary}`),
  );
  assert.deepEqual(found, [], `axe: ${where}`);
}

/** Fails if the page is wider than its window. */
export async function checkWidth(page, where) {
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(beyond <= 0, `${where}: ${beyond} px wider than the window`);
}

/** Waits until `check` returns true. Fails after 10 seconds. */
export async function until(check, what) {
  const end = Date.now() + 10_000;
  while (!(await check())) {
    assert.ok(Date.now() < end, `${what} did not happen within 10 s`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
