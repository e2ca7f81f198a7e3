// The page of `postdate ui` with a dead-letter queue, in Chromium: `node test/real/letters.mjs URL DELETED SENT`. `URL` is the printed
// address, and the two others are the requests of the two letters. The end-to-end tests fill the queue and run this.
import assert from "node:assert/strict";
import { checkAxe, launch, openPage } from "../page/browser.mjs";

const [url, deleted, sent] = process.argv.slice(2);

const browser = await launch();
try {
  const { page, errors } = await openPage(browser);

  await page.goto(url);
  await page.getByRole("link", { name: "Dead letters" }).click();
  await page.getByRole("link", { name: deleted }).waitFor();
  await checkAxe(page, "letters of a real queue");
  await page.getByRole("button", { name: `Delete … the letters of request ${deleted}` }).click();
  await page.getByRole("button", { name: "Delete for ever" }).click();
  await page.getByRole("status").getByText("One letter is deleted.").waitFor();
  await page.getByRole("button", { name: `Send again … the letter of request ${sent}` }).click();
  await page.getByRole("button", { name: "Send again", exact: true }).click();
  await page.getByText("The dead-letter queue is empty.").waitFor();
  assert.deepEqual(errors, []);
} finally {
  await browser.close();
}
