// Two columns of numbers from text, as build/fit reads them: between commas, semicolons, tabs, vertical bars or blanks,
// the same throughout; the first line may have names, and commas may mark decimals where they do not separate.

export const ROWS_MIN = 20, ROWS_MAX = 8000;

// UTF-16 is known by its first two bytes, and all else is taken for UTF-8.
export function decodeText(buffer) {
  const [a, b] = new Uint8Array(buffer, 0, Math.min(2, buffer.byteLength));
  const wide = a === 0xff && b === 0xfe ? 'utf-16le' : a === 0xfe && b === 0xff ? 'utf-16be' : 'utf-8';
  return new TextDecoder(wide).decode(buffer);
}

// {points, note} or {problem}, each note and problem one sentence
export function readCsv(text, name) {
  const rows = [], problem = (text) => ({problem: `${name}: ${text}.`});
  const lines = text.split(/\r\n|\n|\r/).map((line, k) => [line.trim(), k + 1]).filter(([line]) => line && !line.startsWith('#'));
  const mark = ['\t', ';', '|', ','].find((c) => lines.slice(0, 2).every(([line]) => line.includes(c)));
  const between = mark ? new RegExp(`\\s*[${mark}]\\s*`) : /\s+/;
  for (const [line, place] of lines) {
    const words = line.split(between).map((w) => w.replace(/^"(.*)"$/, '$1'));
    const numbers = words.map((w) => (w === '' ? NaN : Number(mark === ',' ? w : w.replace(/^([-+]?\d*),(\d+)/, '$1.$2'))));
    if (place === lines[0][1] && numbers.every(Number.isNaN)) continue;
    if (words.length !== 2) return problem(`line ${place}: 2 columns expected, ${words.length} found`);
    const bad = numbers.findIndex((v) => !Number.isFinite(Math.fround(v)));
    if (bad >= 0)
      return problem(`line ${place}, column ${bad + 1}: a number expected, “${words[bad].slice(0, 20)}” found`);
    rows.push(numbers);
  }
  if (rows.length < ROWS_MIN) return problem(`at least ${ROWS_MIN} rows of 2 numbers expected, ${rows.length} found`);
  const step = Math.max(1, rows.length / ROWS_MAX), kept = [];
  for (let k = 0; k < rows.length; k += step) kept.push(rows[Math.floor(k)]);
  // Floats resolve the spread of a column, not its distance from zero, which a density does not depend on.
  const mean = [0, 1].map((c) => kept.reduce((sum, r) => sum + r[c] / kept.length, 0));
  const points = Float32Array.from(kept.flatMap((r) => [r[0] - mean[0], r[1] - mean[1]]));
  const flat = [0, 1].find((c) => points.every((v, i) => i % 2 !== c || v === points[c]));
  if (flat !== undefined) return problem(`column ${flat + 1}: values that vary expected, one value found`);
  const some = kept.length < rows.length ? `${kept.length} of its ` : '';
  return {points, note: `${name}: ${some}${rows.length} rows.`};
}
