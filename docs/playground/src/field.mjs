// Contours of a log density that is known on a square grid.
import {viridis} from './colors.mjs';

export const BANDS = 8, DEPTH = 6; // bands of colour from the top down, over so many nats
const FINER = 4; // cells of the picture across one of the grid

// The weights of four neighbours at a place between the second and the third (Catmull and Rom).
function neighbours(t) {
  return [
    t * (-0.5 + t * (1 - 0.5 * t)),
    1 + t * t * (-2.5 + 1.5 * t),
    t * (0.5 + t * (2 - 1.5 * t)),
    t * t * (-0.5 + 0.5 * t),
  ];
}

// The grid, interpolated along one axis: rows of `side` values become rows of FINER * side.
function refineRows(values, side, rows) {
  const wide = side * FINER, out = new Float32Array(wide * rows);
  for (let i = 0; i < wide; i++) {
    const u = (i + 0.5) / FINER - 0.5, k = Math.floor(u), w = neighbours(u - k);
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

function refine(values, side) {
  const wide = side * FINER, once = transpose(refineRows(values, side, side), wide, side);
  return transpose(refineRows(once, side, wide), wide, wide);
}

// What nearly all cells stay below: the top of the scale.
export function topOf(values) {
  const sorted = Float32Array.from(values).sort();
  return sorted[Math.floor(0.995 * (sorted.length - 1))];
}

// An image of bands of colour; where the density is more than DEPTH nats below the top it is transparent. Edges
// between bands are softened over one cell of the picture.
export function contours(values, side, top) {
  const fine = refine(values, side), wide = side * FINER, image = new ImageData(wide, wide);
  const colors = Array.from({length: BANDS}, (_, k) => viridis((k + 0.5) / BANDS));
  for (let i = 0; i < fine.length; i++) {
    const height = ((fine[i] - top) / DEPTH + 1) * BANDS;
    if (height < 0) continue;
    const color = colors[Math.min(BANDS - 1, Math.floor(height))], at = 4 * i;
    image.data[at] = color[0], image.data[at + 1] = color[1], image.data[at + 2] = color[2], image.data[at + 3] = 255;
  }
  return image;
}
