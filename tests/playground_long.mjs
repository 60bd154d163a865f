// What takes longer than `make test` may: a thousand restarts of the page's WebAssembly, and its speed.
//   node tests/playground_long.mjs [NATIVE]     NATIVE: what `build/playground speed` says
// Prints lines that begin with "report:", and one for each thing that is wrong.
import {readFileSync} from 'node:fs';
import {openCore} from '../docs/playground/src/core.mjs';

const page = readFileSync('docs/playground/index.html', 'utf8');
const core = await openCore(Buffer.from(/id="wasm">([^<]*)</.exec(page)[1], 'base64'));
const settings = {seed: 7, width: 64, plain: false, waves: true, finest: 10, limit: 0, rate: 3e-3, loc: 2, scale: 3, clip: 3};

core.data('moons', 7), core.begin(settings), core.tune(settings), core.train(100);
const native = Number(process.argv[2]);
let speed = 0; // the best of several runs
for (let k = 0; k < 8; k++) {
  const start = process.cpuUsage();
  core.train(500);
  const {user, system} = process.cpuUsage(start);
  speed = Math.max(speed, 500e6 / (user + system));
}
console.log(`report: ${speed.toFixed(0)} steps/s` + (native ? `, ${(speed / native).toFixed(2)} of the ${native} natively` : ''));
if (native && speed < 0.5 * native) console.log('slower than half of the native speed');

let first = 0;
for (let k = 0; k < 1000; k++) {
  core.data(['dino', 'moons', 'scg', 'line', 'circle'][k % 5], k + 1);
  core.begin({...settings, seed: k + 1}), core.tune(settings);
  core.train(1), core.held(10, k), core.flow(20, 3, 3, k);
  if (k === 9) first = core.memory();
}
console.log(`report: ${(core.memory() / 1e6).toFixed(1)} MB after 1,000 restarts, ${(first / 1e6).toFixed(1)} MB after 10`);
if (core.memory() !== first) console.log('memory grows by restarting');
if (core.memory() > 64e6) console.log('more than 64 MB');
