// The WebAssembly of examples/playground.c as functions of plain numbers and arrays. Used by the worker of the
// page and by tests/playground.sh under node.

export const SETS = ['dino', 'moons', 'scg', 'line', 'circle'];
export const CURVE_BINS = 32;

// It asks for four functions of the system, to say why it ends: what it writes is kept and becomes the error.
export async function openCore(bytes) {
  let said = '';
  const view = () => new DataView(core.memory.buffer);
  const system = {
    fd_write(file, pieces, count, written) {
      let total = 0;
      for (let k = 0; k < count; k++) {
        const at = view().getUint32(pieces + 8 * k, true), size = view().getUint32(pieces + 8 * k + 4, true);
        said += new TextDecoder().decode(new Uint8Array(core.memory.buffer, at, size));
        total += size;
      }
      view().setUint32(written, total, true);
      return 0;
    },
    fd_close: () => 0,
    fd_seek: () => 70, // not possible
    proc_exit() {
      throw new Error(said.trim());
    },
  };
  const {instance} = await WebAssembly.instantiate(bytes, {wasi_snapshot_preview1: system});
  const core = instance.exports;
  core._initialize();

  // Memory moves when it grows, so that arrays are looked up anew each time.
  const numbers = (count) => new Float64Array(core.memory.buffer, core.play_numbers(), count);

  return {
    version() {
      const text = new Uint8Array(core.memory.buffer, core.play_version());
      return new TextDecoder().decode(text.subarray(0, text.indexOf(0)));
    },
    memory: () => core.memory.buffer.byteLength,

    // A name of SETS, or pairs of numbers. Returns all points, those for training first.
    data(set, seed) {
      const own = typeof set !== 'string', count = own ? set.length / 2 : 8000;
      if (own) new Float32Array(core.memory.buffer, core.play_points(count), 2 * count).set(set);
      const taught = core.play_data(own ? -1 : SETS.indexOf(set), seed);
      return {points: new Float32Array(core.memory.buffer, core.play_points(0), 2 * count).slice(), taught};
    },
    begin(s) {
      core.play_begin(s.seed, s.width, s.plain ? 1 : 0, s.waves ? 1 : 0, s.finest, s.limit);
    },
    tune(s) {
      core.play_tune(s.rate, s.loc, s.scale, s.clip);
    },
    train: (steps) => core.play_train(steps),
    held(draws, seed) {
      core.play_held(draws, seed);
      const [nll, error, errorData, floor, gaussian, ...curve] = numbers(5 + 3 * CURVE_BINS);
      const part = (k) => curve.slice(k * CURVE_BINS, (k + 1) * CURVE_BINS);
      return {nll, error, errorData, floor, gaussian, logsnr: part(0), mse: part(1), reference: part(2)};
    },
    // log p at places, pairs of numbers: cells of a grid, of the given area
    density(places, area, draws, seed) {
      numbers(places.length).set(places);
      core.play_density(places.length / 2, area, draws, seed);
      return numbers(places.length / 2).slice();
    },
    point(x, y, draws, seed) {
      core.play_point(x, y, draws, seed);
      const [nll, error] = numbers(2);
      return {nll, error};
    },
    channel(x, y, logsnr, count, seed) {
      core.play_channel(x, y, logsnr, count, seed);
      const all = numbers(5 * count).slice();
      return {z: all.subarray(0, 2 * count), guess: all.subarray(2 * count, 4 * count), error: all.subarray(4 * count)};
    },
    // Frames of {logsnr, points}, the last one the samples
    flow(count, steps, frames, seed) {
      core.play_flow(count, steps, frames, seed);
      const all = numbers((frames + 1) * (1 + 2 * count)), out = [];
      for (let k = 0; k <= frames; k++) {
        const at = k * (1 + 2 * count);
        out.push({logsnr: all[at], points: Float32Array.from(all.subarray(at + 1, at + 1 + 2 * count))});
      }
      return out;
    },
    end: () => core.play_end(),
  };
}
