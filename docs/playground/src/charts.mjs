// The two charts, as SVG: their text can be selected, their handles have focus.

const NAMESPACE = 'http://www.w3.org/2000/svg';

export function element(name, attributes, parent, text) {
  const e = document.createElementNS(NAMESPACE, name);
  set(e, attributes);
  if (text !== undefined) e.textContent = text;
  if (parent) parent.append(e);
  return e;
}
export const set = (e, attributes) => Object.entries(attributes).forEach(([k, v]) => e.setAttribute(k, v));

export const number = (value, digits = 2) => value.toFixed(digits).replace('-', '−');
export const count = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ',');

// Steps of 1, 2 or 5 times a power of ten, about `count` of them.
function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough * 0.999), out = [];
  for (let k = Math.ceil(low / step - 1e-9); k <= high / step + 1e-9; k++) out.push(k * step);
  return {values: out, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9))};
}

// A chart redraws itself, at most once a frame, when its data or its width change.
class Chart {
  constructor(svg, margin) {
    this.svg = svg, this.margin = margin;
    this.axes = element('g', {}, svg);
    new ResizeObserver(() => this.changed()).observe(svg);
  }
  changed() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.width = this.svg.clientWidth, this.height = this.svg.clientHeight;
      if (this.width > 0) this.draw();
    });
  }
  innerWidth = () => this.width - this.margin.left - this.margin.right;
  innerHeight = () => this.height - this.margin.top - this.margin.bottom;
  x = (v) => this.margin.left + ((v - this.xMin) / (this.xMax - this.xMin)) * this.innerWidth();
  y = (v) => this.margin.top + ((this.yMax - v) / (this.yMax - this.yMin)) * this.innerHeight();
  path(points) {
    const places = points.map(([a, b]) => `${this.x(a).toFixed(1)},${this.y(b).toFixed(1)}`);
    return places.length ? 'M' + places.join('L') : '';
  }
  area(upper, lower) {
    return upper.length ? this.path(upper) + this.path([...lower].reverse()).replace('M', 'L') + 'Z' : '';
  }
  // Drawn anew only if they differ, or selected text would lose its selection.
  drawAxes(xName, format = (v, digits) => number(v, digits), yCount = 4) {
    const across = ticks(this.xMin, this.xMax, this.width < 420 ? 4 : 6), up = ticks(this.yMin, this.yMax, yCount);
    const key = [this.width, this.height, this.xMin, this.xMax, this.yMin, this.yMax, xName].join();
    if (key === this.key) return;
    this.key = key;
    this.axes.replaceChildren();
    const bottom = this.height - this.margin.bottom, right = this.width - this.margin.right;
    for (const v of up.values) {
      element('line', {class: 'axis', x1: this.margin.left, x2: right, y1: this.y(v), y2: this.y(v)}, this.axes);
      const place = {x: this.margin.left - 8, y: this.y(v) + 4, 'text-anchor': 'end'};
      element('text', place, this.axes, number(v, up.digits));
    }
    for (const v of across.values) {
      element('line', {class: 'axis', x1: this.x(v), x2: this.x(v), y1: bottom, y2: bottom + 4}, this.axes);
      const text = format(v, across.digits), outside = this.x(v) + 3.5 * text.length > this.width; // half of its width
      const place = outside ? {x: this.width, 'text-anchor': 'end'} : {x: this.x(v), 'text-anchor': 'middle'};
      element('text', {y: bottom + 18, ...place}, this.axes, text);
    }
    element('text', {x: right, y: bottom + 34, 'text-anchor': 'end'}, this.axes, xName);
  }
}

// ---- -log p while it trains ----

export class NllChart extends Chart {
  constructor(svg) {
    super(svg, {left: 34, right: 12, top: 12, bottom: 24});
    this.band = element('path', {class: 'band'}, svg);
    this.gauss = element('line', {class: 'gauss'}, svg), this.floor = element('line', {class: 'floor'}, svg);
    this.line = element('path', {class: 'model'}, svg), this.end = element('circle', {r: 4, fill: 'var(--model)'}, svg);
    this.gaussName = element('text', {class: 'name halo', 'text-anchor': 'end'}, svg, 'the Gaussian');
    this.floorName = element('text', {class: 'name halo', 'text-anchor': 'end'}, svg);
    this.restart();
  }
  restart() {
    this.history = [], this.xMax = 500, this.xMin = 0;
    this.changed();
  }
  // A measurement {step, schedule, nll, error, floor, gaussian}; of the same step and schedule, the mean of all.
  add(m, floorName) {
    const last = this.history[this.history.length - 1];
    if (last && last.step === m.step && last.schedule === m.schedule) {
      const n = ++last.measured;
      last.error = Math.hypot(last.error * (n - 1), m.error) / n;
      last.nll += (m.nll - last.nll) / n;
    } else this.history.push({step: m.step, schedule: m.schedule, nll: m.nll, error: m.error, measured: 1});
    if (this.history.length > 400) this.history = this.history.filter((_, k) => k % 2 === 0 || k > 300);
    this.floorValue = m.floor, this.gaussValue = m.gaussian, this.floorText = floorName;
    this.changed();
  }
  // The mean of the k-th measurement and those before it in the last fifth of the steps, weighted by their precision.
  meanAt(k) {
    const end = this.history[k].step;
    let sum = 0, weights = 0;
    for (let i = k; i >= 0 && i > k - 64; i--) {
      if (i < k && (this.history[i].step < end * 0.8 || this.history[i].schedule !== this.history[k].schedule)) break;
      const weight = 1 / (this.history[i].error ** 2 + 1e-9);
      sum += weight * this.history[i].nll, weights += weight;
    }
    return {step: end, nll: sum / weights, error: 1 / Math.sqrt(weights)};
  }
  best() {
    const now = this.history[this.history.length - 1]?.schedule; // integrals over other ranges are other numbers
    return Math.min(...this.history.map((m, k) => (m.schedule === now ? this.meanAt(k).nll : Infinity)));
  }
  latest() {
    return this.history.length ? this.meanAt(this.history.length - 1) : null;
  }
  draw() {
    const all = this.history;
    if (!all.length) return;
    const means = all.map((_, k) => this.meanAt(k)), last = all[all.length - 1].step;
    while (this.xMax < last) this.xMax *= this.xMax.toString().startsWith('2') ? 2.5 : 2;
    const gain = Math.max(0.25, this.gaussValue - this.floorValue), worst = Math.max(...means.map((m) => m.nll));
    const start = Math.max(this.floorValue, this.gaussValue, Math.min(means[0].nll, this.gaussValue + 6), Math.min(worst, this.gaussValue + gain));
    const low = Math.min(this.floorValue, this.gaussValue, ...means.map((m) => m.nll)), span = Math.max(0.25, start - low);
    this.yMax = start + 0.16 * span, this.yMin = low - 0.14 * span;
    const limited = (nll) => Math.max(this.yMin, Math.min(nll, this.yMax));
    const inside = means.map((m) => ({...m, nll: limited(m.nll)}));
    this.drawAxes('', count);
    set(this.band, {
      d: this.area(means.map((m) => [m.step, limited(m.nll + 2 * m.error)]), means.map((m) => [m.step, limited(m.nll - 2 * m.error)])),
    });
    set(this.line, {d: this.path(inside.map((m) => [m.step, m.nll]))});
    const tip = inside[inside.length - 1];
    set(this.end, {cx: this.x(tip.step), cy: this.y(tip.nll)});
    const right = this.width - this.margin.right;
    for (const [line, name, value, above] of [
      [this.gauss, this.gaussName, this.gaussValue, true],
      [this.floor, this.floorName, this.floorValue, false],
    ]) {
      set(line, {x1: this.margin.left, x2: right, y1: this.y(value), y2: this.y(value)});
      set(name, {x: right, y: this.y(value) + (above ? -7 : 17)});
    }
    this.floorName.textContent = this.floorText;
  }
}

// ---- the error by log SNR, and the schedule ----

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const LOG3 = Math.log(3);

// What may be dragged: where its handle is, and what moving it there means.
const HANDLES = {
  loc: {
    at: (s) => s.loc,
    to: (s, a) => ({loc: clamp(a, -6, 14)}),
    key: (s, d) => ({loc: clamp(s.loc + d, -6, 14)}),
    low: -6,
    high: 14,
  },
  scale: {
    at: (s) => s.loc + LOG3 * s.scale,
    to: (s, a) => keepEnds(s, clamp((a - s.loc) / LOG3, 0.5, 6)),
    key: (s, d) => keepEnds(s, clamp(s.scale + d, 0.5, 6)),
    low: 0.5,
    high: 6,
  },
  clip: {
    at: (s) => s.loc + s.clip * s.scale,
    to: (s, a) => ({clip: clamp((a - s.loc) / s.scale, 1, 8)}),
    key: (s, d) => ({clip: clamp(s.clip + d, 1, 8)}),
    low: 1,
    high: 8,
  },
};
const clamp = (v, low, high) => Math.round(Math.max(low, Math.min(high, v)) * 100) / 100;
// Another scale, the same range: clip counts in scales.
const keepEnds = (s, scale) => ({scale, clip: clamp((s.clip * s.scale) / scale, 1, 8)});

export class MseChart extends Chart {
  constructor(svg, changed, alphaMoved) {
    super(svg, {left: 34, right: 10, top: 14, bottom: 40});
    this.xMin = -10, this.xMax = 20, this.yMin = -0.8, this.yMax = 2.1;
    this.onChange = changed;
    this.gain = element('path', {class: 'band'}, svg), this.harm = element('path', {class: 'loss'}, svg);
    this.hill = element('path', {class: 'hill'}, svg);
    this.cuts = [element('line', {class: 'cut'}, svg), element('line', {class: 'cut'}, svg)];
    this.alphaLine = element('line', {class: 'alpha'}, svg);
    this.alphaName = element('text', {class: 'halo', 'text-anchor': 'middle'}, svg, 'α of the point below');
    this.gauss = element('path', {class: 'gauss'}, svg), this.line = element('path', {class: 'model'}, svg);
    this.gaussName = element('text', {class: 'name halo', 'text-anchor': 'end'}, svg, 'the Gaussian');
    this.modelName = element('text', {class: 'name halo model-name'}, svg, 'the model');
    this.handles = Object.fromEntries(Object.keys(HANDLES).map((name) => [name, this.addHandle(name)]));
    this.gap = null;
  }

  addHandle(name) {
    const h = HANDLES[name], g = element('g', {class: 'handle', tabindex: 0, role: 'slider', 'aria-label': name,
      'aria-valuemin': h.low, 'aria-valuemax': h.high}, this.svg);
    for (const [name, r] of [['reach', 20], ['ringed', 11], ['knob', 7]]) element('circle', {class: name, r}, g);
    g.label = element('text', {class: 'halo', y: 25, 'text-anchor': 'middle'}, g);
    const move = (e) => {
      const part = (e.clientX - this.svg.getBoundingClientRect().left - this.margin.left) / this.innerWidth();
      this.change(h.to(this.schedule, this.xMin + part * (this.xMax - this.xMin)));
    };
    g.addEventListener('pointerdown', (e) => (g.setPointerCapture(e.pointerId), e.preventDefault(), g.focus()));
    g.addEventListener('pointermove', (e) => g.hasPointerCapture(e.pointerId) && move(e));
    g.addEventListener('keydown', (e) => {
      const by = {ArrowLeft: -0.1, ArrowDown: -0.1, ArrowRight: 0.1, ArrowUp: 0.1, PageDown: -1, PageUp: 1}[e.key];
      if (by) e.preventDefault(), this.change(h.key(this.schedule, by));
    });
    return g;
  }
  change(part) {
    this.schedule = {...this.schedule, ...part};
    this.onChange(this.schedule);
    this.changed();
  }

  // Errors as measured, in parts of the schedule. Only their difference from those of the Gaussian's denoiser at the same
  // points is taken from the measurement, on top of the error that the Gaussian's has on average, 2 s(alpha).
  add(m) {
    const fresh = m.logsnr.map((a, k) => [a, m.mse[k] - m.reference[k]]).filter((p) => Number.isFinite(p[1]));
    const same = this.gap && this.gap.length === fresh.length && Math.abs(this.gap[0][0] - fresh[0][0]) < 1e-6;
    const weight = m.step < 1500 ? 0.25 : 0.1; // of the newest: it learns fast at first
    this.gap = fresh.map(([a, d], k) => [a, same ? this.gap[k][1] + weight * (d - this.gap[k][1]) : d]);
    this.changed();
  }
  restart() {
    this.gap = null;
    this.changed();
  }
  // Between two parts a straight line; outside as at the last one.
  gapAt(a) {
    const k = this.gap.findIndex(([there]) => there > a);
    if (k <= 0) return this.gap[k === 0 ? 0 : this.gap.length - 1][1];
    const [[a0, g0], [a1, g1]] = this.gap.slice(k - 1, k + 1);
    return g0 + ((a - a0) / (a1 - a0)) * (g1 - g0);
  }

  draw() {
    if (!this.schedule) return;
    const {loc, scale, clip} = this.schedule, d = 2, from = loc - clip * scale, to = loc + clip * scale;
    const curve = (f, a, b) => Array.from({length: 121}, (_, k) => a + ((b - a) * k) / 120).map((v) => [v, f(v)]);
    const best = (a) => d * sigmoid(a);
    this.drawAxes('log SNR α', undefined, 4);
    set(this.gauss, {d: this.path(curve(best, this.xMin, this.xMax))});
    if (this.gap) {
      const model = curve((a) => best(a) + this.gapAt(a), Math.max(from, this.xMin), Math.min(to, this.xMax))
        .map(([a, v]) => [a, Math.max(-0.05, Math.min(this.yMax, v))]);
      const below = model.map(([a, v]) => [a, Math.min(v, best(a))]);
      const above = model.map(([a, v]) => [a, Math.max(v, best(a))]);
      const reference = model.map(([a]) => [a, best(a)]);
      set(this.line, {d: this.path(model)});
      set(this.gain, {d: this.area(reference, below)}), set(this.harm, {d: this.area(above, reference)});
      const label = model.reduce((widest, p) => (best(p[0]) - p[1] > best(widest[0]) - widest[1] ? p : widest));
      set(this.modelName, {x: this.x(label[0]) + 10, y: this.y(label[1]) + 16});
      this.modelName.style.display = '';
    } else {
      for (const e of [this.line, this.gain, this.harm]) set(e, {d: ''});
      this.modelName.style.display = 'none';
    }
    set(this.gaussName, {x: this.x(1) - 10, y: this.y(best(1)) - 4});
    this.drawSchedule(loc, scale, from, to, curve);
  }

  drawSchedule(loc, scale, from, to, curve) {
    const ground = -0.6, height = 0.48, peak = (a) => 4 * sigmoid((a - loc) / scale) * sigmoid((loc - a) / scale);
    const left = Math.max(from, this.xMin), right = Math.min(to, this.xMax);
    const slope = curve((a) => ground + height * peak(a), left, right);
    set(this.hill, {d: this.area(slope, [[left, ground], [right, ground]])});
    this.cuts.forEach((line, k) => {
      const a = k ? to : from;
      set(line, {x1: this.x(a), x2: this.x(a), y1: this.y(2.05), y2: this.y(ground)});
      line.style.display = a > this.xMin && a < this.xMax ? '' : 'none';
    });
    for (const [name, g] of Object.entries(this.handles)) {
      const value = this.schedule[name], at = Math.min(HANDLES[name].at(this.schedule), this.xMax);
      const up = this.y(ground + (name === 'clip' ? 0 : height * peak(at)));
      set(g, {transform: `translate(${this.x(at)},${up})`, 'aria-valuenow': value, 'aria-valuetext': `${name} ${value}`});
      set(g.label, {loc: {y: -13}, scale: {y: -12, x: 6, 'text-anchor': 'start'}, clip: {y: 23}}[name]);
      g.label.textContent = `${name} ${number(value, 1)}`;
    }
    if (this.alpha !== undefined) {
      set(this.alphaLine, {x1: this.x(this.alpha), x2: this.x(this.alpha), y1: this.y(2), y2: this.y(0)});
      set(this.alphaName, {x: this.x(this.alpha), y: this.y(2) - 4});
    }
  }
}
