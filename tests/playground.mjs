// The WebAssembly in docs/playground/index.html beside the same C code compiled for this machine:
//   node tests/playground.mjs NUMBERS     NUMBERS: what build/playground printed
//   node tests/playground.mjs             all that needs nothing to compare with
// Prints a line for each thing that is wrong.
import {readFileSync} from 'node:fs';
import {CURVE_BINS, openCore} from '../docs/playground/src/core.mjs';

const page = readFileSync('docs/playground/index.html', 'utf8');
const bytes = Buffer.from(/id="wasm">([^<]*)</.exec(page)[1], 'base64');
const core = await openCore(bytes);
const said = [];
const say = (name, values) => values.forEach((v) => said.push([name, v]));

// As main() in examples/playground.c has it
const settings = {seed: 7, width: 64, plain: false, waves: true, finest: 10, limit: 0, rate: 3e-3, loc: 2, scale: 3, clip: 3};
const {taught, points} = core.data('moons', 7);
say('taught', [taught]);
core.begin({...settings, limit: 200}), core.tune(settings);
say('loss', [core.train(10)]);
core.begin(settings), core.tune(settings);
for (let k = 0; k < 10; k++) say('loss', [core.train(10)]);
const held = core.held(20, 1);
say('held', [held.nll, held.error, held.errorData, held.floor, held.gaussian, ...held.logsnr, ...held.mse, ...held.reference]);
const {nll, error} = core.point(0.5, 0.5, 256, 1);
say('point', [nll, error]);
const places = Array.from({length: 128}, (_, i) => (i % 2 ? Math.floor(i / 16) : (i / 2) % 8) - 3.5);
say('density', [...core.density(places, 1, 8, 1)]);
const channel = core.channel(0.5, 0.5, 1, 8, 1);
say('channel', [...channel.z, ...channel.guess, ...channel.error]);
for (const frame of core.flow(8, 20, 4, 1)) say('flow', [frame.logsnr, ...frame.points]);

function compare(file) {
  const expected = readFileSync(file, 'utf8').trim().split('\n').map((line) => line.split(' '));
  if (expected.length !== said.length) console.log(`${said.length} numbers, natively ${expected.length}`);
  said.forEach(([name, value], k) => {
    const [there, text] = expected[k] ?? [], off = Math.abs(value - Number(text)) / Math.max(1, Math.abs(value));
    if (name !== there || !(off <= 1e-5)) console.log(`number ${k}: ${name} ${value}, natively ${there} ${text}`);
  });
  process.exit();
}
if (process.argv[2]) compare(process.argv[2]);

// Where there is hardly any noise the guess is the point, also in correlated columns.
core.data('scg', 1), core.begin(settings), core.tune(settings);
const guess = core.channel(1, -1, 30, 8, 1).guess;
if (guess.some((v, i) => Math.abs(v - (i % 2 ? -1 : 1)) > 1e-3)) console.log(`(1, -1) expected from the channel, ${guess} found`);
core.data('moons', 7);

if (held.logsnr.length !== CURVE_BINS || points.length !== 16000) console.log('shapes differ from those of the page');
if (core.version() !== /ITDIFF_VERSION "(.*)"/.exec(readFileSync('itdiff.h', 'utf8'))[1])
  console.log(`the page was built from version ${core.version()} of the header: make playground`);

// What one training leaves, the next one takes.
const sizes = [];
for (let k = 0; k < 20; k++) {
  core.data('circle', k), core.begin({...settings, seed: k}), core.tune(settings), core.train(1);
  core.density(places, 1, 8, k), core.flow(50, 5, 5, k);
  sizes.push(core.memory());
}
if (sizes[19] !== sizes[2]) console.log(`memory grows by restarting: ${sizes[2]} bytes, then ${sizes[19]}`);
if (sizes[19] > 64e6) console.log(`more than 64 MB of memory: ${sizes[19]} bytes`);

// Points of the page's own, and too large a step, of which the training tells
core.data(points.slice(0, 80), 1), core.begin(settings), core.tune(settings);
if (!Number.isFinite(core.train(5)) || !Number.isFinite(core.held(50, 1).floor)) console.log('40 points of its own: not finite');
core.tune({...settings, rate: 1e30});
if (!Number.isNaN(core.train(50))) console.log('a training that diverges is not told of');
