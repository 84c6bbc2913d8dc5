// Opens the documentation page as a newcomer would: starts the server on the
// demonstration data, reads /docs in a real browser and executes one request
// from it.
//
//   node docs-page.mjs [path of the gouvtech-catalogue binary]
//
// CHROMIUM names another browser than /usr/bin/chromium. Exit code 0: all is
// well; 1: a check failed, and the last lines say which; 130/143: interrupted.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const WHOLE_CHECK_MS = 120_000;
const SERVER_START_MS = 60_000;
const PAGE_MS = 20_000;
const SERVER_STOP_MS = 5_000;
const BROWSER_STOP_MS = 10_000;

// Swagger UI asks an outside validator about every document unless the page's
// address says "localhost" or "127.0.0.1". The browser therefore reads the
// page under a name of its own, as the public does, mapped to this machine.
const HOST = "catalogue.test";

const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

class CheckFailed extends Error {}

function check(holds, message) {
  if (!holds) throw new CheckFailed(message);
}

function say(message) {
  console.log(`docs-page: ${message}`);
}

function findBinary() {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const candidates = process.argv[2]
    ? [resolve(process.argv[2])]
    : ["release", "debug"].map((profile) => join(root, "target", profile, "gouvtech-catalogue"));
  const binary = candidates.find((path) => existsSync(path));
  check(binary, `no binary at ${candidates.join(" nor ")}: run \`cargo build --release\` first`);
  return binary;
}

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

// ---------------------------------------------------------------- the server

function startServer(binary, port, dataDir) {
  // The developer's own settings must not reach the server under test.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("GOUVTECH_")));
  const settings = {
    "--bind": `127.0.0.1:${port}`,
    "--data-dir": dataDir,
    "--database-url": `sqlite://${join(dataDir, "catalogue.sqlite")}`,
  };
  const child = spawn(binary, ["serve", "--demo", ...Object.entries(settings).flat()], {
    cwd: dataDir,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const server = { child, log: "", fault: null };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      server.log = (server.log + chunk).slice(-8_000);
    });
  }
  child.on("error", (error) => {
    server.fault = `could not be started: ${error.message}`;
  });
  child.on("exit", (code, signal) => {
    server.fault ??= `ended by itself (${signal ?? `exit code ${code}`})`;
  });
  return server;
}

async function waitUntilReady(server, address) {
  const deadline = Date.now() + SERVER_START_MS;
  for (;;) {
    check(!server.fault, `the server ${server.fault}`);
    try {
      const answer = await fetch(`${address}/readyz`, { signal: AbortSignal.timeout(2_000) });
      await answer.arrayBuffer();
      if (answer.status === 200) return;
    } catch {
      // Not listening yet.
    }
    check(Date.now() < deadline, `/readyz did not answer 200 within ${SERVER_START_MS / 1000} s`);
    await new Promise((wake) => setTimeout(wake, 100));
  }
}

async function stopServer({ child }) {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const impatience = setTimeout(() => child.kill("SIGKILL"), SERVER_STOP_MS);
  await gone;
  clearTimeout(impatience);
}

// -------------------------------------------------------------- the document

/** The element ids that Swagger UI gives to a document's operations. */
function expectedBlocks(document) {
  const blocks = new Map();
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const method of METHODS.filter((name) => item[name])) {
      const { operationId, tags } = item[method];
      check(operationId, `${method.toUpperCase()} ${path} has no operationId`);
      for (const tag of tags?.length ? tags : ["default"]) {
        const id = `operations-${tag}-${operationId}`.trim().replace(/\s/g, "_");
        check(!blocks.has(id), `two operations are called ${operationId} under the tag "${tag}"`);
        blocks.set(id, { method, path, operationId });
      }
    }
  }
  check(blocks.size > 0, "the document has no operation");
  return blocks;
}

// ------------------------------------------------------------------ the page

/** Collects what a page must not do while it is read. */
async function watch(context, page, origin) {
  const faults = [];
  const isOwn = (url) => url.origin === origin || ["data:", "blob:", "about:"].includes(url.protocol);
  await context.route(
    (url) => !isOwn(url),
    (route) => {
      faults.push(`the page asks another origin: ${route.request().method()} ${route.request().url()}`);
      return route.abort();
    },
  );
  page.on("websocket", (socket) => faults.push(`the page opens a socket to ${socket.url()}`));
  page.on("pageerror", (error) => faults.push(`the page's script fails: ${error.message}`));
  page.on("response", (answer) => {
    if (answer.status() >= 400) faults.push(`${answer.url()} answers ${answer.status()}`);
  });
  return faults;
}

async function readPage(page, origin, document) {
  const answer = await page.goto(`${origin}/docs`, { waitUntil: "load" });
  check(answer?.status() === 200, `/docs answers ${answer?.status()}`);

  // Tags may come folded: a folded tag shows none of its operations.
  await page.locator(".opblock-tag-section").first().waitFor();
  const folded = page.locator(".opblock-tag-section:not(.is-open) > .opblock-tag");
  for (let left = await folded.count(); left > 0; left--) await folded.first().click();

  const blocks = page.locator(".opblock-tag-section .opblock");
  await blocks.first().waitFor();
  // The ids come escaped for use in a selector.
  const shown = (await blocks.evaluateAll((all) => all.map((block) => block.id))).map((id) => id.replaceAll("\\", ""));
  const expected = expectedBlocks(document);
  const missing = [...expected.keys()].filter((id) => !shown.includes(id));
  const unknown = shown.filter((id) => !expected.has(id));
  check(missing.length === 0, `not on the page: ${missing.join(", ")}`);
  check(unknown.length === 0, `on the page, but not in /openapi.json: ${unknown.join(", ")}`);
  check(shown.length === expected.size, `${shown.length} operations on the page, ${expected.size} in /openapi.json`);
  say(`the page lists all ${shown.length} operations of /openapi.json`);
  return expected;
}

async function executeFamilies(page, origin, expected) {
  const found = [...expected].find(([, operation]) => operation.operationId === "list_families");
  check(found, "the document has no list_families");
  const [id, { method, path }] = found;
  check(method === "get" && path === "/api/v1/families", `list_families is ${method.toUpperCase()} ${path}`);

  const block = page.locator(`[id=${JSON.stringify(id)}]`);
  const isOpen = await block.evaluate((element) => element.classList.contains("is-open"));
  if (!isOpen) await block.locator(".opblock-summary-control").first().click();
  const tryIt = block.locator(".try-out__btn");
  const execute = block.locator("button.execute");
  // The button is absent or already pressed when the page tries out by default.
  await tryIt.or(execute).first().waitFor();
  if (!(await execute.isVisible())) await tryIt.click();

  const answered = page.waitForResponse((answer) => {
    const url = new URL(answer.url());
    return url.origin === origin && url.pathname === path;
  });
  answered.catch(() => {}); // Awaited below; a failing click must be told first.
  await execute.click();
  const answer = await answered;
  check(answer.status() === 200, `list_families executed from the page answers ${answer.status()}`);

  const live = block.locator(".responses-table.live-responses-table");
  await live.waitFor();
  const status = (await live.locator("tbody .response-col_status").first().innerText()).trim();
  check(status.startsWith("200"), `the page shows the status "${status}" instead of 200`);

  const body = await answer.json();
  const families = body.items;
  check(Array.isArray(families) && families.length > 0, "list_families returns no item");
  const shown = await live.locator("tbody .response-col_description").first().innerText();
  for (const { code } of families) {
    check(typeof code === "string", "a family has no code");
    check(shown.includes(`"${code}"`), `the page shows the response without the family ${code}`);
  }
  say(`list_families, executed from the page, shows 200 and ${families.length} families`);
}

// -------------------------------------------------------------------- the run

async function run(started) {
  const binary = findBinary();
  const port = await freePort();
  const address = `http://127.0.0.1:${port}`;
  const origin = `http://${HOST}:${port}`;

  started.dataDir = mkdtempSync(join(tmpdir(), "gouvtech-docs-page-"));
  started.server = startServer(binary, port, started.dataDir);
  await waitUntilReady(started.server, address);
  say(`${binary} is ready on ${address}`);

  const answer = await fetch(`${address}/openapi.json`, { signal: AbortSignal.timeout(PAGE_MS) });
  check(answer.status === 200, `/openapi.json answers ${answer.status}`);
  const document = await answer.json();

  if (started.over) return;
  started.browser = chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    headless: true,
    timeout: PAGE_MS,
    // This program ends the browser itself, so that the rest is tidied up too.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
    args: [
      "--no-sandbox", // root in a container has no other way
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-proxy-server",
      `--host-resolver-rules=MAP ${HOST} 127.0.0.1`,
    ],
  });
  const browser = await started.browser;
  const context = await browser.newContext();
  context.setDefaultTimeout(PAGE_MS);
  const page = await context.newPage();
  const faults = await watch(context, page, origin);
  try {
    const expected = await readPage(page, origin, document);
    await executeFamilies(page, origin, expected);
    await page.waitForLoadState("networkidle");
  } catch (error) {
    // What the page did wrong is often why the check failed: tell both.
    error.message = [error.message, ...faults].join("\n  ");
    throw error;
  }
  check(faults.length === 0, faults.join("\n  "));
  say("no request left the server's own origin, no script failed");
}

async function tidyUp(started) {
  started.over = true;
  const patience = new Promise((done) => setTimeout(done, BROWSER_STOP_MS).unref());
  await Promise.allSettled([
    // The browser may still be starting: it is closed once it has.
    Promise.race([started.browser?.then((browser) => browser.close()), patience]),
    started.server && stopServer(started.server),
  ]);
  if (started.dataDir) rmSync(started.dataDir, { recursive: true, force: true });
}

const started = {};
// Whatever ends this process, nothing that it started is left.
process.on("exit", () => {
  started.server?.child.kill("SIGKILL");
  if (started.dataDir) rmSync(started.dataDir, { recursive: true, force: true });
});

const stopped = new Promise((_, reject) => {
  const stop = (message, exitCode) => reject(Object.assign(new CheckFailed(message), { exitCode }));
  setTimeout(() => stop(`not finished after ${WHOLE_CHECK_MS / 1000} s`, 1), WHOLE_CHECK_MS).unref();
  process.on("SIGINT", () => stop("interrupted", 130));
  process.on("SIGTERM", () => stop("terminated", 143));
});

let exitCode = 0;
try {
  await Promise.race([run(started), stopped]);
} catch (error) {
  exitCode = error.exitCode ?? 1;
  console.error(`docs-page: FAILED: ${error instanceof CheckFailed ? error.message : (error.stack ?? error)}`);
  if (started.server?.log) console.error(`docs-page: the server's last lines:\n${started.server.log}`);
} finally {
  await tidyUp(started);
}
if (exitCode === 0) say("all is well");
process.exit(exitCode);
