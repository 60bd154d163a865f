// The page: what is asked of the worker, and what is shown of its answers.
import {BANDS, DEPTH, ink, onTheme, viridisCss} from './colors.mjs';
import {ROWS_MIN, ROWS_MAX, decodeText, readCsv} from './csv.mjs';
import {MseChart, NllChart, count, number} from './charts.mjs';
import {Plane} from './plane.mjs';

const $ = (id) => document.getElementById(id);
const SQUARE = {left: -3, right: 3, bottom: -3, top: 3};
const SHOWN = 700, CLOUD = 120, FLYING = 300, FLIGHT = 60, FLIGHT_STEPS = 60, FLIGHT_TIME = 7000;
const FILE_MAX = 5e7; // bytes
const SCHEDULE = {loc: 4, scale: 3.5, clip: 3.5};
const FIRST = {rate: 10 ** -2.5, width: 64, plain: false, waves: true, finest: 10 ** 1.5, limit: 0, seed: 1, ...SCHEDULE};
const SENTENCES = {
  dino: 'the dino, 142 small spots',
  moons: 'two moons',
  circle: 'spots on a circle',
  line: 'a rectangle, whose edges are sharp',
  scg: 'one narrow Gaussian',
};

const state = {
  settings: {...FIRST}, data: 'moons', window: SQUARE, running: true, step: 0, rate: 0, memory: 0,
  points: null, taught: 0, field: null, mode: 'learn', name: 'moons',
};

// ---- the worker ----

const worker = new Worker(URL.createObjectURL(new Blob([$('worker').textContent], {type: 'text/javascript'})));
const ask = (what, data = {}) => worker.postMessage({what, ...data});
const answers = {};
let ready = false, training = 0; // the number of the present training; answers of others are late
worker.onmessage = ({data}) => data.training === training && answers[data.what](data);
worker.onerror = (e) => notice(`The worker has failed: ${e.message}.`);

function start() {
  if (!ready) return; // it starts with what is chosen by then
  state.step = 0, state.held = null, state.ended = false;
  nllChart.restart(), mseChart.restart();
  const {data, settings, window, running} = state;
  ask('start', {training: ++training, data, settings, window, run: running});
}

function notice(text, good = false) {
  $('notice').textContent = text, $('notice').hidden = !text;
  $('notice').classList.toggle('good', good);
}

answers.ready = ({version}) => {
  $('version').textContent = version, ready = true;
  start();
};
answers.begun = ({points, taught, run}) => {
  state.points = points, state.taught = taught, state.running = run;
  showRunning();
  if (state.mode === 'learn') plane.window = state.window;
  flowPlane.window = state.window;
  choosePoint(points[0], points[1]);
  flight.frames = null, flight.pending = false;
  plane.changed();
};
answers.progress = (p) => {
  Object.assign(state, {step: p.step, rate: p.rate, memory: p.memory});
  const rate = p.rate ? `<span class="rate"> · ${Math.round(p.rate)}/s</span>` : '';
  $('steps').innerHTML = `${count(p.step)} steps${rate}`;
  $('numbers').textContent = `WebAssembly: ${(p.memory / 1e6).toFixed(1)} MB of memory.`;
  if (probe) askPoint();
  if (visible.has($('channel'))) askChannel();
};
answers.diverged = ({step}) => {
  state.running = false, state.ended = true;
  showRunning();
  notice(`The training has diverged after ${count(step)} steps: restart it with a smaller learning rate.`);
};
answers.failed = ({text}) => {
  state.running = false, state.ended = true;
  showRunning();
  notice(`It stopped: ${text}. Restart, or choose other data.`);
};

// ---- what is in sight ----

const visible = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const e of entries) e.isIntersecting ? visible.add(e.target) : visible.delete(e.target);
  if (visible.has($('channel'))) askChannel();
});
watcher.observe($('channel')), watcher.observe($('flow'));

// ---- the density ----

const plane = new Plane($('field'), drawField);
const fieldImage = document.createElement('canvas');

answers.field = (f) => {
  state.field = f;
  fieldImage.width = fieldImage.height = f.image.width;
  fieldImage.getContext('2d').putImageData(f.image, 0, 0);
  $('scale-low').textContent = number(f.top - DEPTH, 1), $('scale-high').textContent = number(f.top, 1);
  plane.changed();
  if (visible.has($('flow')) && !flight.playing) flowPlane.changed();
};

function drawField(p) {
  if (state.mode === 'draw') return drawStrokes(p);
  if (state.field) p.context.drawImage(fieldImage, 0, 0, p.size, p.size);
  if (state.points) p.dots(state.points, Math.min(SHOWN, state.settings.limit || state.taught, state.taught), p.size < 420 ? 1.6 : 2.1, ink('dot'), 0.62);
  if (probe) p.ring(probe.x, probe.y, 5, ink('dot'));
}

for (let k = 0; k < BANDS; k++) {
  const i = document.createElement('i');
  i.style.background = viridisCss((k + 0.5) / BANDS);
  $('scale-bands').append(i);
}

// -log p where one points, or where the arrow keys have led
let probe = null;
const askPoint = () => ask('point', {...probe, draws: 1024});
function showProbe(at) {
  probe = at;
  if (at && state.mode === 'learn') askPoint();
  else $('tip').hidden = true;
  plane.changed();
}
answers.point = ({x, y, nll, error}) => {
  if (!probe || state.mode !== 'learn') return;
  const tip = $('tip');
  tip.textContent = `−log p  ${number(nll)} ± ${number(2 * error)} nats`;
  tip.hidden = false;
  const half = tip.offsetWidth / 2 + 4;
  tip.style.left = `${Math.max(half, Math.min(plane.size - half, plane.x(x)))}px`, tip.style.top = `${plane.y(y)}px`;
  tip.classList.toggle('below', plane.y(y) < 60);
};
const field = $('field');
field.addEventListener('pointermove', (e) => state.mode === 'learn' && showProbe(plane.at(e)));
field.addEventListener('pointerdown', (e) => state.mode === 'learn' && showProbe(plane.at(e)));
field.addEventListener('pointerleave', (e) => e.pointerType === 'mouse' && showProbe(null));
field.addEventListener('blur', () => showProbe(null));

// Moves a place by the arrow keys; null for other keys.
function moved(at, e, window) {
  const w = window, part = e.shiftKey ? 1 / 12 : 1 / 60;
  const unit = (w.right - w.left) * part, high = (w.top - w.bottom) * part;
  const by = {ArrowLeft: [-unit, 0], ArrowRight: [unit, 0], ArrowUp: [0, high], ArrowDown: [0, -high]}[e.key];
  if (!by) return null;
  e.preventDefault();
  return {x: Math.max(w.left, Math.min(w.right, at.x + by[0])), y: Math.max(w.bottom, Math.min(w.top, at.y + by[1]))};
}
const middleOf = (w) => ({x: (w.left + w.right) / 2, y: (w.bottom + w.top) / 2});
const middle = () => middleOf(plane.window);
field.addEventListener('keydown', (e) => {
  const to = moved(probe ?? middle(), e, plane.window);
  if (to) showProbe(to);
  if (e.key === 'Escape') showProbe(null);
  if (e.key === ' ' && state.mode === 'draw') e.preventDefault(), (brush = null), drawTo(probe ?? middle());
});

// ---- -log p and the errors ----

const nllChart = new NllChart($('nll'));
const mseChart = new MseChart($('mse'), changeSchedule);

answers.held = (m) => {
  const own = typeof state.data !== 'string';
  nllChart.add(m, own ? 'kernel density estimate' : 'the true density');
  mseChart.add(m);
  state.held = m;
  const now = nllChart.latest(), excess = now.nll - m.floor, error = 2 * now.error;
  const plus = `<small> ± ${number(error, error < 0.1 ? 3 : 2)}</small>`;
  $('read-nll').innerHTML = number(now.nll) + plus, $('read-floor').textContent = number(m.floor);
  $('read-excess').innerHTML = number(excess) + plus;
  $('read-excess').dataset.value = excess, $('read-excess').dataset.error = error;
  $('excess-name').textContent = own ? 'difference' : 'excess';
  $('floor-name').textContent = own ? 'kernel estimate' : 'true density';
  $('floor-note').textContent = own
    ? 'The true density of your points is unknown; the comparison is a kernel density estimate from the same points.'
    : 'The true density is known for this set; on average no model gets below it.';
  if (state.mode === 'learn') $('story').textContent = story(m, now);
  $('area-story').innerHTML =
    `On the held-out points, −log <i>p</i> of the Gaussian is <b class="num">${number(m.gaussian)}</b> nats. ` +
    (now.nll <= m.gaussian
      ? `Half the shaded area is <b class="num">${number(m.gaussian - now.nll)}</b> nats; the difference, `
      : `The model is still worse by <b class="num">${number(now.nll - m.gaussian)}</b> nats; the sum, `) +
    `<b class="num">${number(now.nll)}</b>, is −log <i>p</i> of the model after ${count(m.step)} steps.`;
};

function story(m, now) {
  const limit = state.settings.limit, fresh = limit === 0 && typeof state.data === 'string';
  const points = fresh ? 'Every step has new points' : `${count(limit ? Math.min(limit, state.taught) : state.taught)} points`;
  const what = `${points} of ${SENTENCES[state.name] ?? state.name}. `;
  if (Math.abs(now.nll - m.gaussian) < 0.05 + 2 * now.error && m.step < 300)
    return what + 'The model starts as the Gaussian with the mean and covariance of the data.';
  if (m.step > 300 && now.nll > nllChart.best() + Math.max(0.08, 4 * now.error))
    return what + (fresh ? 'On the held-out points it was better before: learning rate or schedule do not suit it.'
      : 'The model overfits them: on the held-out points it was better before.');
  if (now.nll > m.gaussian) return what + 'So far the model is worse than the Gaussian.';
  const part = (m.gaussian - now.nll) / Math.max(0.05, m.gaussian - m.floor);
  if (part < 0.6)
    return what + 'The error falls first where there is much noise, so the large shapes appear first.';
  if (part < 0.93 || now.nll - m.floor > 0.1) return what + 'The large shapes are learned; what remains is in the details, at little noise.';
  if (typeof state.data !== 'string') return what + 'The model is about as good as the kernel density estimate, or better.';
  return what + 'Little is left to learn: with an excess of 0.01 nats the density is off by one percent on average.';
}

// ---- the schedule and the other settings ----

mseChart.schedule = {...SCHEDULE};
function changeSchedule(schedule) {
  Object.assign(state.settings, schedule);
  for (const name of Object.keys(SCHEDULE)) if (document.activeElement !== $(name)) $(name).value = schedule[name];
  ask('tune', {settings: schedule});
}
for (const name of Object.keys(SCHEDULE)) {
  $(name).addEventListener('input', () => {
    const {valueAsNumber: value, validity} = $(name);
    if (Number.isFinite(value) && !validity.rangeUnderflow && !validity.rangeOverflow) mseChart.change({[name]: value});
  });
  $(name).addEventListener('blur', () => ($(name).value = state.settings[name]));
}
$('schedule-reset').addEventListener('click', () => mseChart.change(SCHEDULE));

function showSettings() {
  const s = state.settings;
  $('rate-value').textContent = s.rate.toPrecision(1);
  $('finest-value').textContent = s.finest.toFixed(s.finest < 9.95 ? 1 : 0);
  for (const name of ['rate', 'finest']) $(name).setAttribute('aria-valuetext', $(`${name}-value`).textContent);
}
$('rate').addEventListener('input', () => {
  state.settings.rate = 10 ** $('rate').valueAsNumber;
  ask('tune', {settings: {rate: state.settings.rate}});
  showSettings();
});
function setFinest(exponent) {
  $('finest').value = exponent;
  state.settings.finest = 10 ** exponent;
  showSettings();
}
$('finest').addEventListener('input', () => setFinest($('finest').valueAsNumber));
for (const id of ['width', 'parameterization', 'embedding', 'finest', 'limit', 'seed'])
  $(id).addEventListener('change', () => {
    const seed = $('seed').valueAsNumber;
    if (!(Number.isInteger(seed) && seed >= 1 && seed < 2 ** 32)) {
      $('seed').value = state.settings.seed;
      return notice('Seed: a whole number from 1 to 4294967295 expected.');
    }
    const plain = $('parameterization').value === 'plain', waves = $('embedding').value === 'waves';
    Object.assign(state.settings, {seed, width: Number($('width').value), limit: Number($('limit').value), plain, waves});
    $('finest').disabled = !state.settings.waves;
    notice(''), start();
  });
$('controls').addEventListener('submit', (e) => e.preventDefault());

// ---- running ----

function showRunning() {
  $('run').classList.toggle('paused', !state.running);
  $('run').querySelector('.word').textContent = state.running ? 'Pause' : 'Train';
}
function run(on) {
  state.running = on;
  ask('run', {run: on});
  showRunning();
}
$('run').addEventListener('click', () => (state.ended ? restart() : run(!state.running)));
$('step').addEventListener('click', () => {
  state.running = false;
  showRunning(), ask('step');
});
function restart() {
  notice('');
  if (state.ended) state.running = true; // it did not end because somebody wanted it to pause
  start();
}
$('restart').addEventListener('click', restart);
document.addEventListener('keydown', (e) => {
  if (e.key === 'k' && !e.ctrlKey && !e.metaKey && !/INPUT|TEXTAREA|SELECT/.test(e.target.tagName)) run(!state.running);
});

// ---- data ----

const sets = [...document.querySelectorAll('[data-set]')];
function choose(name) {
  for (const b of sets) {
    b.setAttribute('aria-checked', b.dataset.set === name);
    b.tabIndex = b.dataset.set === name ? 0 : -1;
  }
  state.mode = name === 'draw' ? 'draw' : 'learn';
  $('draw-tools').hidden = name !== 'draw', $('csv-tools').hidden = name !== 'csv';
  $('field-box').classList.toggle('drawing', name === 'draw');
  $('draw-hint').hidden = name !== 'draw' || strokes.length > 0;
  notice(''), showProbe(null);
  const chosen = sets.find((b) => b.dataset.set === name), row = chosen.parentElement; // brought into sight
  const begin = chosen.offsetLeft - row.offsetLeft - 8, end = begin + chosen.offsetWidth + 16;
  row.scrollLeft = Math.max(Math.min(row.scrollLeft, begin), end - row.clientWidth);
  if (name === 'draw') {
    $('story').textContent = 'Draw what the model should learn: lines, spots, letters. The space key draws at the cursor. Some of the points are ' +
      'held out; the others are for training.';
    plane.window = SQUARE, countStrokes();
    if (state.running) run(false);
  } else if (name !== 'csv') learn(name, SQUARE, name);
  else plane.window = state.window;
  plane.changed();
}
function learn(data, window, name) {
  const own = typeof data !== 'string'; // a limited number of points, which high frequencies would overfit
  if (own !== (typeof state.data !== 'string')) setFinest(own ? 1 : Math.log10(FIRST.finest));
  Object.assign(state, {data, window, name, mode: 'learn', running: true, field: null});
  $('field-box').classList.remove('drawing'), $('draw-hint').hidden = true;
  start();
}
for (const b of sets) b.addEventListener('click', () => choose(b.dataset.set));
document.querySelector('.sets').addEventListener('keydown', (e) => {
  const by = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[e.key];
  if (!by) return;
  e.preventDefault();
  const to = sets[(sets.indexOf(document.activeElement) + by + sets.length) % sets.length];
  to.focus(), choose(to.dataset.set);
});

// Drawing: a spray of points along the way of the pointer.
let strokes = [];
function spray({x, y}) {
  for (let k = 0; k < 12 && strokes.length < 2 * ROWS_MAX; k++) {
    const radius = 0.07 * Math.sqrt(-2 * Math.log(1 - Math.random())), angle = 2 * Math.PI * Math.random();
    strokes.push(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
  }
}
let brush = null;
function drawTo(to) {
  const from = brush ?? to, parts = Math.max(1, Math.round(Math.hypot(to.x - from.x, to.y - from.y) / 0.09));
  for (let k = 1; k <= parts; k++) {
    const t = k / parts;
    spray({x: from.x + t * (to.x - from.x), y: from.y + t * (to.y - from.y)});
  }
  brush = to;
  $('draw-hint').hidden = true;
  countStrokes(), plane.changed();
}
function countStrokes() {
  $('draw-learn').textContent = state.mode === 'draw' ? 'Train on these points' : 'Draw more';
  const drawn = strokes.length / 2;
  const few = drawn < ROWS_MIN;
  $('draw-count').textContent = few ? `at least ${ROWS_MIN} points, ${drawn} so far` : `${count(drawn)} points`;
  $('draw-learn').disabled = few, $('draw-clear').disabled = drawn === 0;
}
function drawStrokes(p) {
  p.dots(strokes, strokes.length / 2, 3.2, ink('model'), 0.75);
  if (probe) p.ring(probe.x, probe.y, 5, ink('dot'));
}
field.addEventListener('pointerdown', (e) => {
  if (state.mode !== 'draw' || !e.isPrimary || e.button) return;
  field.setPointerCapture(e.pointerId), e.preventDefault();
  brush = null, drawTo(plane.at(e));
});
field.addEventListener('pointermove', (e) => {
  if (state.mode !== 'draw' || !field.hasPointerCapture(e.pointerId)) return;
  const to = plane.at(e), inside = Math.abs(to.x) <= SQUARE.right && Math.abs(to.y) <= SQUARE.top;
  if (inside) drawTo(to);
  else brush = null;
});
$('draw-learn').addEventListener('click', () => {
  if (state.mode !== 'draw') return choose('draw');
  learn(Float32Array.from(strokes), SQUARE, 'your drawing');
  countStrokes();
});
$('draw-clear').addEventListener('click', () => {
  strokes = [];
  choose('draw');
});

// A table that cannot be read is described in one sentence, and the present training continues.
function learnCsv(text, name) {
  const table = readCsv(text, name);
  if (table.problem) return notice(table.problem + ' The previous training continues.');
  const [across, up] = [0, 1].map((c) => {
    const column = table.points.filter((_, i) => i % 2 === c), low = Math.min(...column), high = Math.max(...column);
    return [low - 0.12 * (high - low), high + 0.12 * (high - low)];
  });
  for (const b of sets) b.setAttribute('aria-checked', b.dataset.set === 'csv');
  $('draw-tools').hidden = true;
  notice(table.note, true);
  learn(table.points, {left: across[0], right: across[1], bottom: up[0], top: up[1]}, name);
}
const readFile = async (file) => {
  if (!file) return;
  if (file.size > FILE_MAX) return notice(`${file.name}: at most ${FILE_MAX / 1e6} MB expected.`);
  try {
    learnCsv(decodeText(await file.arrayBuffer()), file.name);
  } catch (e) {
    notice(`${file.name}: it cannot be read (${e.message}).`);
  }
};
$('csv-file').addEventListener('click', () => ($('csv-file').value = '')); // so that the same file can be chosen again
$('csv-tools').addEventListener('submit', (e) => {
  e.preventDefault();
  learnCsv($('csv-text').value, 'pasted text');
});
$('csv-file').addEventListener('change', () => readFile($('csv-file').files[0]));
const hasFiles = (e) => e.dataTransfer.types.includes('Files'); // text may be dropped where it can be edited
addEventListener('dragover', (e) => {
  if (!hasFiles(e)) return;
  e.preventDefault();
  $('drop').hidden = false;
});
addEventListener('dragleave', (e) => e.relatedTarget || ($('drop').hidden = true));
addEventListener('drop', (e) => {
  if (!hasFiles(e)) return;
  e.preventDefault();
  $('drop').hidden = true;
  readFile(e.dataTransfer.files[0]);
});

// ---- one point in the channel ----

const channelPlane = new Plane($('channel'), drawChannel);
const channel = {x: 0, y: 0, answer: null};
const alpha = () => $('alpha').valueAsNumber;
const askChannel = () => state.points && ask('channel', {x: channel.x, y: channel.y, logsnr: alpha(), count: CLOUD});

function choosePoint(x, y) {
  channel.x = x, channel.y = y;
  askChannel();
}
answers.channel = (a) => {
  channel.answer = a;
  let mean = 0, square = 0;
  for (const e of a.error) mean += e / a.error.length, square += (e * e) / a.error.length;
  const error = Math.sqrt((square - mean * mean) / (a.error.length - 1));
  const noise = 100 / (1 + Math.exp(a.logsnr));
  $('channel-story').innerHTML =
    `At this log SNR, noise is <b class="num">${noise.toPrecision(3)}</b> percent of the variance of <i>z</i>. The squared ` +
    `error of the predicted noise, averaged over ${CLOUD} draws, is <b class="num">${number(mean)} ± ${number(2 * error)}</b> ` +
    `at this point. Its average over all points is the model’s curve above, at <i>α</i>.`;
  channelPlane.changed();
};
function drawChannel(p) {
  const a = channel.answer;
  if (!a || !state.points) return;
  const zoom = zoomTo(p);
  p.dots(state.points, Math.min(SHOWN, state.taught), 1.8, ink('noisy'), 0.6);
  p.dots(a.z, CLOUD, 3.2, ink('noisy'), 0.9);
  p.dots(a.guess, CLOUD, 4.2, ink('model'), 0.8);
  p.line(a.guess[0], a.guess[1], channel.x, channel.y, ink('warn'), 2.5);
  p.line(a.z[0], a.z[1], a.guess[0], a.guess[1], ink('noisy'), 1);
  p.dots(a.z, 1, 9, ink('noisy')), p.dots(a.guess, 1, 9, ink('model'));
  p.ring(channel.x, channel.y, 7, ink('strong'), 2.5);
  if (zoom > 1.05) {
    p.context.fillStyle = ink('muted'), p.context.font = '13px system-ui, sans-serif';
    p.context.fillText(`× ${zoom.toFixed(zoom < 9.5 ? 1 : 0)}`, 14, p.size - 14);
  }
}
// Where the noise is small, the picture closes in on the point, so that one can still see it.
function zoomTo(p) {
  const w = state.window, part = Math.min(1, 4.5 * Math.exp(-alpha() / 2)), {x, y} = middleOf(w);
  const across = ((w.right - w.left) / 2) * part, high = ((w.top - w.bottom) / 2) * part;
  const cx = channel.x + (x - channel.x) * part, cy = channel.y + (y - channel.y) * part;
  p.window = {left: cx - across, right: cx + across, bottom: cy - high, top: cy + high};
  return 1 / part;
}
function showAlpha() {
  $('alpha-value').textContent = number(alpha(), 1);
  mseChart.alpha = alpha(), mseChart.changed();
  askChannel();
}
$('alpha').addEventListener('input', showAlpha);
const pick = (e) => {
  const {x, y} = channelPlane.at(e);
  choosePoint(x, y);
};
$('channel').addEventListener('pointerdown', (e) => ($('channel').setPointerCapture(e.pointerId), pick(e)));
$('channel').addEventListener('pointermove', (e) => $('channel').hasPointerCapture(e.pointerId) && pick(e));
$('channel').addEventListener('keydown', (e) => {
  const to = moved(channel, e, channelPlane.window);
  if (to) choosePoint(to.x, to.y);
});

// ---- from noise to data ----

const flowPlane = new Plane($('flow'), drawFlow);
const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
const flight = {frames: null, next: null, at: 0, seed: 1, playing: !still, pending: false};

function nextFlight() {
  if (flight.pending || !state.points) return;
  flight.pending = true;
  ask('flow', {count: FLYING, steps: FLIGHT_STEPS, frames: FLIGHT, seed: flight.seed});
}
answers.flow = (f) => {
  flight.pending = false;
  if (flight.frames && flight.playing && flight.at < 1.25) flight.next = f;
  else showFlight(f);
};
function showFlight(f) {
  flight.frames = f.frames, flight.step = f.step, flight.next = null;
  if (flight.playing) flight.at = 0;
  $('flow-story').textContent = `${FLYING} samples of the network after ${count(f.step)} steps. ` +
    'The large shapes form early, at low log SNR, and the details at the end.';
  flowPlane.changed();
}
let clock = 0;
function tick(now) {
  requestAnimationFrame(tick);
  const passed = Math.min(100, now - clock);
  clock = now;
  if (!visible.has($('flow'))) return;
  if (!flight.frames) return nextFlight();
  if (!flight.playing) return;
  flight.at += passed / FLIGHT_TIME;
  if (flight.at > 0.7 && !flight.next) nextFlight(); // so that it is there in time
  if (flight.at > 1.25 && flight.next) showFlight(flight.next); // after a moment to look
  else if (flight.at - passed / FLIGHT_TIME < 1) flowPlane.changed();
}
requestAnimationFrame(tick);

function drawFlow(p) {
  if (!flight.frames) return;
  const at = Math.min(1, flight.at) * FLIGHT, k = Math.min(FLIGHT - 1, Math.floor(at)), t = at - k;
  const from = flight.frames[k], to = flight.frames[k + 1], points = new Float32Array(from.points.length);
  for (let i = 0; i < points.length; i++) points[i] = from.points[i] + t * (to.points[i] - from.points[i]);
  p.context.globalAlpha = 0.28 * Math.max(0, Math.min(1, at / FLIGHT));
  if (state.field) p.context.drawImage(fieldImage, 0, 0, p.size, p.size);
  p.context.globalAlpha = 1;
  const c = p.context;
  c.strokeStyle = ink('model'), c.lineWidth = 1, c.globalAlpha = 0.35;
  c.beginPath();
  const back = flight.frames[Math.max(0, k - 5)].points;
  for (let i = 0; i < 2 * FLYING; i += 2) {
    c.moveTo(p.x(back[i]), p.y(back[i + 1]));
    c.lineTo(p.x(points[i]), p.y(points[i + 1]));
  }
  c.stroke();
  p.dots(points, FLYING, 3.4, ink('dot'), 0.8);
  $('flow-at').value = Math.min(1, flight.at);
  $('flow-value').textContent = number(from.logsnr + t * (to.logsnr - from.logsnr), 1);
}
function playFlight(on) {
  flight.playing = on;
  if (on && flight.at >= 1) flight.at = 0;
  $('flow-run').textContent = on ? 'Pause' : 'Play';
  if (on) nextFlight();
}
$('flow-run').addEventListener('click', () => playFlight(!flight.playing));
$('flow-new').addEventListener('click', () => {
  flight.seed++, flight.frames = flight.next = null, flight.at = flight.playing ? 0 : flight.at;
  nextFlight();
});
$('flow-at').addEventListener('input', () => {
  playFlight(false);
  flight.at = $('flow-at').valueAsNumber;
  if (!flight.frames) nextFlight();
  flowPlane.changed();
});

// ---- begin ----

onTheme(() => [plane, channelPlane, flowPlane].forEach((p) => p.changed()));
showSettings(), showRunning(), countStrokes(), showAlpha(), playFlight(flight.playing);
// An empty module with one 128-bit instruction: browsers without them refuse it.
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98];
if (typeof WebAssembly === 'object' && WebAssembly.validate(Uint8Array.from([...SIMD, 11])))
  ask('open', {wasm: $('wasm').textContent.trim()});
else
  notice('This browser cannot train: it lacks WebAssembly with 128-bit vectors (SIMD), which Chrome and Firefox have had since 2021, Safari since 2023.');
window.playground = {state, nllChart, mseChart, flight, channel}; // for tests, and the curious
