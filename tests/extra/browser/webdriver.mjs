// A browser for tests, by the HTTP interface of chromedriver; no packages.
import {spawn} from 'node:child_process';
import {createServer} from 'node:net';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const {port} = server.address();
      server.close(() => resolve(port));
    });
  });
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// traced: tasks of all threads are kept; see mainTasks
export async function openBrowser({width = 1280, height = 900, traced = false} = {}) {
  const port = await freePort(), profile = mkdtempSync(join(tmpdir(), 'playground-'));
  const driver = spawn('chromedriver', [`--port=${port}`, '--silent'], {stdio: 'ignore'});
  const call = async (method, path, body) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {method, body: body && JSON.stringify(body)});
    const {value} = await answer.json();
    if (!answer.ok) throw new Error(`${path}: ${value.message}`);
    return value;
  };
  for (let k = 0; ; k++) {
    try {
      await call('GET', '/status');
      break;
    } catch (error) {
      if (k === 100) throw error;
      await sleep(100);
    }
  }
  const args = ['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--hide-scrollbars',
    `--user-data-dir=${profile}`, `--window-size=${width},${height}`];
  const {sessionId} = await call('POST', '/session', {
    capabilities: {alwaysMatch: {
      browserName: 'chrome',
      'goog:chromeOptions': {args, ...(traced && {perfLoggingPrefs: {enableNetwork: false, enablePage: false, traceCategories: 'toplevel,__metadata'}})},
      'goog:loggingPrefs': {browser: 'ALL', ...(traced && {performance: 'ALL'})},
    }},
  });
  const at = (path) => `/session/${sessionId}${path}`;
  const devtools = (cmd, params = {}) => call('POST', at('/goog/cdp/execute'), {cmd, params});
  const run = (script, ...args) => call('POST', at('/execute/sync'), {script, args});
  return {
    devtools,
    run,
    go: (url) => call('POST', at('/url'), {url}),
    size: (w, h, scale = 1) =>
      devtools('Emulation.setDeviceMetricsOverride', {width: w, height: h, deviceScaleFactor: scale, mobile: w < 600}),
    dark: (on) =>
      devtools('Emulation.setEmulatedMedia', {features: [{name: 'prefers-color-scheme', value: on ? 'dark' : 'light'}]}),
    log: () => call('POST', at('/se/log'), {type: 'browser'}),
    // Processor time in ms of each task of the main threads of pages that have a worker
    async mainTasks() {
      const lines = (await call('POST', at('/se/log'), {type: 'performance'})).map((l) => JSON.parse(l.message).message);
      const events = lines.filter((l) => l.method === 'Tracing.dataCollected').map((l) => l.params);
      const threads = new Map(), workers = new Set();
      for (const {ph, name, pid, tid, args: a} of events)
        if (ph === 'M' && name === 'thread_name') {
          threads.set(`${pid} ${tid}`, a.name);
          if (a.name.startsWith('DedicatedWorker')) workers.add(pid);
        }
      return events.filter((e) => e.ph === 'X' && e.name.endsWith('::RunTask') && e.tdur !== undefined && workers.has(e.pid) &&
        threads.get(`${e.pid} ${e.tid}`) === 'CrRendererMain').map((e) => e.tdur / 1000);
    },
    actions: (actions) => call('POST', at('/actions'), {actions}),
    async picture(file, clip) {
      const {data} = await devtools('Page.captureScreenshot', {format: 'png', ...(clip && {clip: {scale: 1, ...clip}, captureBeyondViewport: true})});
      writeFileSync(file, Buffer.from(data, 'base64'));
    },
    // Until the script returns something true, which is returned; null after so many ms
    async until(script, limit = 10000) {
      for (const end = Date.now() + limit; Date.now() < end; await sleep(100)) {
        const value = await run(script);
        if (value) return value;
      }
      return null;
    },
    async close() {
      await call('DELETE', at('')).catch(() => {});
      driver.kill();
      await sleep(200);
      rmSync(profile, {recursive: true, force: true});
    },
  };
}
