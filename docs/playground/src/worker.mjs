// What trains and measures. It runs in a worker of its own, so that the page never waits, in short turns, between
// which it receives messages. The page asks {what: 'start' | 'tune' | ...}; see `wishes`.
import {openCore} from './core.mjs';
import {contours, topOf} from './field.mjs';

const HELD_ROWS = 16000, HELD_PASSES = 100; // evaluations in a measurement of the held points; measurements at rest
const FIELD_DRAWS = 12, FIELD_PASSES = 24; // draws of a pass over the picture; passes that are averaged at rest
const SLICE = 12; // ms

let bytes, core, settings, points;
let training = 0, running = false, step = 0, loss = NaN, seed = 0;
let stepTime = 6, rowTime = 0.015; // ms, as measured
let reportedAt = 0, reportedStep = 0, rate = 0; // rate: steps per second
let held = null, field = null;
const asked = {}; // the newest wish of each kind that is answered by a computation of its own

// Every answer has the number of the training it belongs to: the page may have begun another one by then.
const say = (what, data = {}, transfer = []) => postMessage({what, training, ...data}, transfer);
const timed = (f) => {
  const start = performance.now();
  f();
  return performance.now() - start;
};
// The time of one of `count` things in an uninterrupted run: the shortest one, which is slowly forgotten. Clocks tick in
// up to 1 ms.
const shortest = (old, time, count) => Math.min(Math.max(time, 1) / count, 1.03 * old);

// ---- training ----

function train(steps = Math.max(1, Math.round(SLICE / stepTime))) {
  const time = timed(() => (loss = core.train(steps)));
  if (Number.isNaN(loss)) {
    running = false;
    say('diverged', {step});
    return;
  }
  stepTime = shortest(stepTime, time, steps);
  step += steps;
  if (performance.now() - reportedAt > 100) report();
}

function report() {
  const now = performance.now(), passed = now - reportedAt, weight = rate ? 1 - Math.exp(-passed / 2000) : 1;
  rate += weight * (((step - reportedStep) / passed) * 1000 - rate); // over about two seconds
  say('progress', {step, loss, rate: running ? rate : 0, memory: core.memory()});
  reportedAt = now, reportedStep = step;
}

// ---- the held points ----

function measureHeld() {
  const rows = points.length / 2 - held.taught, evaluations = Math.min(HELD_ROWS, 6000 + 20 * step); // soon at first
  const draws = Math.max(8, Math.min(400, Math.round(evaluations / rows)));
  const result = core.held(draws, ++seed);
  held.passes = held.step === step ? held.passes + 1 : 1, held.step = step;
  say('held', {step, schedule: [settings.loc, settings.scale, settings.clip].join(), ...result});
}

// ---- the picture of the density: pass after pass over a square grid, each with draws of its own ----

function beginField(window) {
  field = {window, side: 0, values: null, weight: 0, passes: 0, at: 0, cells: [], step: -1, begun: 0};
}

// Another number of cells, interpolated from the present ones.
function resizeField(side) {
  const old = field.values, from = field.side, values = new Float32Array(side * side);
  for (let i = 0; old && i < side * side; i++) {
    const u = (((i % side) + 0.5) / side) * from - 0.5, v = ((Math.floor(i / side) + 0.5) / side) * from - 0.5;
    const x = Math.max(0, Math.min(from - 2, Math.floor(u))), y = Math.max(0, Math.min(from - 2, Math.floor(v)));
    const a = Math.max(0, Math.min(1, u - x)), b = Math.max(0, Math.min(1, v - y));
    const along = (at) => (1 - a) * old[at] + a * old[at + 1];
    values[i] = (1 - b) * along(y * from + x) + b * along((y + 1) * from + x);
  }
  field.side = side, field.values = values, field.empty = !old;
  field.computed = new Float32Array(side * side).fill(field.begun); // the pass in which a cell was last computed
}

// Cells far below the densities that are shown, with all their neighbours, are computed in every eighth pass only.
function chooseCells() {
  const {side, values} = field, cells = [];
  if (field.empty || field.begun % 8 === 0) return [...values.keys()];
  const shown = Math.max(...values) - 14;
  for (let i = 0; i < values.length; i++) {
    const x = i % side;
    let highest = -Infinity;
    for (let dy = -1; dy <= 1; dy++)
      for (let dx = -1; dx <= 1; dx++)
        if (x + dx >= 0 && x + dx < side) highest = Math.max(highest, values[i + dy * side + dx] ?? -Infinity);
    if (highest > shown) cells.push(i);
  }
  return cells;
}

// A coarse grid at once; then as fine as there is time for, and the finest at rest.
function chooseSide(resting) {
  if (!field.values) return 24;
  const [sides, time] = resting ? [[56, 72, 96], 4000] : [[56, 72], Math.min(350, 40 + 0.1 * step * stepTime)]; // ms
  const affordable = sides.filter((side) => side * side * field.share * FIELD_DRAWS * rowTime < time);
  return affordable.pop() ?? 40;
}

function beginPass() {
  const still = field.step === step, side = chooseSide(still || !running); // still: nothing new since the last pass
  const finer = side > field.side;
  if (finer || (side < field.side && !still)) resizeField(side);
  field.passes = still && !finer ? field.passes + 1 : 1;
  if (field.empty) field.weight = 1;
  else if (still) field.weight = finer ? 0.8 : 1 / (field.passes + 1);
  else field.weight = Math.max(0.12, Math.min(0.8, (6 * (step - field.step)) / step)); // the mean of some 15 % of the steps
  field.cells = chooseCells(), field.at = 0, field.step = step, field.seed = ++seed, field.begun++;
  field.next = Float32Array.from(field.values);
}

function fieldSlice() {
  const {window: w, side} = field;
  if (field.at >= field.cells.length) beginPass();
  const count = Math.max(40, Math.round(SLICE / rowTime / FIELD_DRAWS));
  const cells = field.cells.slice(field.at, field.at + count), places = new Float64Array(2 * cells.length);
  const across = (w.right - w.left) / field.side, down = (w.top - w.bottom) / field.side;
  cells.forEach((cell, i) => {
    places[2 * i] = w.left + across * ((cell % field.side) + 0.5);
    places[2 * i + 1] = w.top - down * (Math.floor(cell / field.side) + 0.5);
  });
  let values;
  const time = timed(() => (values = core.density(places, across * down, FIELD_DRAWS, field.seed)));
  rowTime = shortest(rowTime, time, cells.length * FIELD_DRAWS);
  cells.forEach((cell, i) => {
    const weight = 1 - (1 - field.weight) ** (field.begun - field.computed[cell]); // more after passes without it
    field.next[cell] += weight * (values[i] - field.values[cell]), field.computed[cell] = field.begun;
  });
  field.at += cells.length;
  if (field.at < field.cells.length) return;
  field.values = field.next, field.empty = false;
  field.share = field.cells.length / field.values.length;
  showField();
}

// The top of the colour scale follows the densities smoothly.
function showField() {
  const now = topOf(field.values), old = field.top ?? now;
  field.top = Math.abs(now - old) > 1.5 ? now : old + 0.4 * (now - old);
  const image = contours(field.values, field.side, field.top);
  say('field', {step: field.step, top: field.top, image}, [image.data.buffer]);
}

// ---- whose turn it is ----

// Each task has a share of the time: the next turn goes to the one with the smallest time for its share. A picture of
// the untrained network comes first.
const tasks = [
  {
    share: 1.8,
    spent: 0,
    ready: () => field && (field.at < field.cells.length || field.step !== step || field.passes < FIELD_PASSES),
    run: fieldSlice,
  },
  {share: 1.2, spent: 0, ready: () => held.step !== step || held.passes < HELD_PASSES, run: measureHeld},
  {share: 6, spent: 0, ready: () => running, run: () => train()},
];

function turn() {
  for (const kind of Object.keys(asked)) {
    const wish = asked[kind];
    delete asked[kind];
    wishes[kind](wish);
  }
  const ready = points ? tasks.filter((t) => t.ready()) : [];
  if (ready.length === 0) return false;
  const had = Math.min(...ready.map((t) => t.spent / t.share)), next = ready.find((t) => t.spent / t.share === had);
  for (const t of tasks) t.spent = Math.max(t.spent, (had - 20) * t.share); // idle time gives no claim to more
  next.spent += timed(next.run);
  return true;
}

// Messages are heard between turns.
const bell = new MessageChannel();
let ringing = false;
const ring = () => {
  if (!ringing) bell.port2.postMessage(0);
  ringing = true;
};
bell.port1.onmessage = () => {
  ringing = false;
  guarded(() => turn() && ring());
};

// ---- what the page may ask for ----

function begin(wish) {
  settings = wish.settings, points = undefined, training = wish.training;
  const {points: all, taught} = core.data(wish.data, settings.seed);
  points = all;
  core.begin(settings), core.tune(settings);
  step = 0, loss = NaN, held = {step: -1, passes: 0, taught}, reportedStep = 0, reportedAt = performance.now(), rate = 0;
  beginField(wish.window), field.share = 1;
  for (const t of tasks) t.spent = 0;
  running = wish.run;
  say('begun', {points, taught, run: running});
  measureHeld(), report();
}

const wishes = {
  async open({wasm}) {
    bytes = Uint8Array.from(atob(wasm), (c) => c.charCodeAt(0));
    core = await openCore(bytes);
    say('ready', {version: core.version()});
  },
  start: begin,
  tune(wish) {
    Object.assign(settings, wish.settings);
    core.tune(settings);
    if ('loc' in wish.settings) field.step = -1, held.step = -1; // the learning rate alone changes no measurement
  },
  run({run}) {
    running = run;
    reportedStep = step, reportedAt = performance.now(), rate = 0;
    say('progress', {step, loss, rate, memory: core.memory()});
  },
  step() {
    running = false;
    train(1), report();
  },
  point: ({x, y, draws}) => say('point', {x, y, step, ...core.point(x, y, draws, 1)}),
  channel: ({x, y, logsnr, count}) => say('channel', {x, y, logsnr, step, ...core.channel(x, y, logsnr, count, 1)}),
  flow: ({count, steps, frames, seed: s}) => say('flow', {step, frames: core.flow(count, steps, frames, s)}),
};

// A failure of the C code ends its instance; the next start has a new one.
async function guarded(f) {
  try {
    await f();
  } catch (error) {
    running = false, points = undefined;
    try {
      core = await openCore(bytes);
    } catch {} // the first error tells what is wrong
    say('failed', {text: error.message});
  }
}

onmessage = ({data: wish}) => {
  if (!points && wish.what !== 'open' && wish.what !== 'start') return;
  if (['point', 'channel', 'flow'].includes(wish.what)) {
    asked[wish.what] = wish;
  } else guarded(() => wishes[wish.what](wish));
  ring();
};
