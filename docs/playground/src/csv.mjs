// Two columns of numbers from text. Separators are commas, semicolons, tabs or blanks; the first line may have names.

export const ROWS_MIN = 20, ROWS_MAX = 8000;

// {points, note} or {problem}, each note and problem one sentence
export function readCsv(text, name) {
  const rows = [], lines = text.split(/\r\n|\n|\r/);
  const problem = (text) => ({problem: `${name}: ${text}.`});
  for (let k = 0; k < lines.length; k++) {
    const line = lines[k].trim();
    if (line === '' || line.startsWith('#')) continue;
    const words = line.split(/\s*[,;\t]\s*|\s+/).map((w) => w.replace(/^"(.*)"$/, '$1'));
    const numbers = words.map((w) => (w === '' ? NaN : Number(w)));
    if (rows.length === 0 && k === lines.findIndex((l) => l.trim() !== '') && numbers.every(Number.isNaN)) continue;
    if (words.length !== 2) return problem(`line ${k + 1}: 2 columns expected, ${words.length} found`);
    const bad = numbers.findIndex((v) => !Number.isFinite(Math.fround(v)));
    if (bad >= 0)
      return problem(`line ${k + 1}, column ${bad + 1}: a number expected, “${words[bad].slice(0, 20)}” found`);
    rows.push(numbers);
  }
  if (rows.length < ROWS_MIN) return problem(`at least ${ROWS_MIN} rows of 2 numbers expected, ${rows.length} found`);
  const flat = [0, 1].find((c) => rows.every((r) => r[c] === rows[0][c]));
  if (flat !== undefined) return problem(`column ${flat + 1}: values that vary expected, one value found`);
  const step = Math.max(1, rows.length / ROWS_MAX), kept = [];
  for (let k = 0; k < rows.length; k += step) kept.push(rows[Math.floor(k)]);
  const some = kept.length < rows.length ? `${kept.length} of its ` : '';
  return {points: Float32Array.from(kept.flat()), note: `${name}: ${some}${rows.length} rows.`};
}
