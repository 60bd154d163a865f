// Contours of a log density that is known on a square grid.
import {BANDS, DEPTH, viridis} from './colors.mjs';

const WIDE = 480; // cells of the picture, at least

// The weights of four neighbours at a place between the second and the third (Catmull and Rom).
function neighbours(t) {
  return [
    t * (-0.5 + t * (1 - 0.5 * t)),
    1 + t * t * (-2.5 + 1.5 * t),
    t * (0.5 + t * (2 - 1.5 * t)),
    t * t * (-0.5 + 0.5 * t),
  ];
}

// The grid, interpolated along one axis: rows of `side` values become rows of finer * side.
function refineRows(values, side, rows, finer) {
  const wide = side * finer, out = new Float32Array(wide * rows);
  for (let i = 0; i < wide; i++) {
    const u = (i + 0.5) / finer - 0.5, k = Math.floor(u), w = neighbours(u - k);
    const at = [-1, 0, 1, 2].map((d) => Math.max(0, Math.min(side - 1, k + d)));
    for (let row = 0; row < rows; row++) {
      const start = row * side;
      out[row * wide + i] = w[0] * values[start + at[0]] + w[1] * values[start + at[1]] +
        w[2] * values[start + at[2]] + w[3] * values[start + at[3]];
    }
  }
  return out;
}

function transpose(values, columns, rows) {
  const out = new Float32Array(values.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = values[i * columns + j];
  return out;
}

function refine(values, side, finer) {
  const wide = side * finer, once = transpose(refineRows(values, side, side, finer), wide, side);
  return transpose(refineRows(once, side, wide, finer), wide, wide);
}

// What nearly all cells stay below: the top of the scale.
export function topOf(values) {
  const sorted = Float32Array.from(values).sort();
  return sorted[Math.floor(0.995 * (sorted.length - 1))];
}

// An image of bands of colour; where the density is more than DEPTH nats below the top it is transparent. Edges
// between bands are a cell of the picture wide: a cell that one crosses has a mixture of both colours.
export function contours(values, side, top) {
  const finer = Math.ceil(WIDE / side), wide = side * finer;
  const fine = refine(values.map((v) => Math.max(v, top - 2 * DEPTH)), side, finer); // steeper slopes make cubics ripple
  const image = new ImageData(wide, wide), data = image.data;
  const colors = Array.from({length: BANDS}, (_, k) => viridis((k + 0.5) / BANDS));
  const color = (band) => colors[Math.max(0, Math.min(BANDS - 1, band))];
  for (let i = 0; i < fine.length; i++) fine[i] = ((fine[i] - top) / DEPTH + 1) * BANDS; // bands above the lowest edge
  for (let i = 0; i < fine.length; i++) {
    const height = fine[i], edge = Math.round(height);
    if (height < -1) continue;
    const x = i % wide, right = x + 1 < wide ? i + 1 : i - 1, below = i + wide < fine.length ? i + wide : i - wide;
    const slope = Math.hypot(fine[right] - height, fine[below] - height) + 1e-6;
    const share = Math.max(0, Math.min(1, (height - edge) / slope + 0.5)); // of the band above the edge
    const low = color(edge - 1), high = color(edge), at = 4 * i;
    if (edge > BANDS - 1) data.set(colors[BANDS - 1], at);
    else for (let c = 0; c < 3; c++) data[at + c] = edge <= 0 ? high[c] : low[c] + share * (high[c] - low[c]);
    data[at + 3] = edge < 0 ? 0 : edge === 0 ? 255 * share : 255;
  }
  return image;
}
