// Two columns of numbers from text. Separators are commas, semicolons, tabs or blanks; the first line may have names.

export const FEWEST = 20, MOST = 8000;

// {points, note} or {problem}, each note and problem one sentence
export function readCsv(text, name) {
  const rows = [], lines = text.split(/\r\n|\n|\r/);
  for (let k = 0; k < lines.length; k++) {
    const line = lines[k].trim();
    if (line === '' || line.startsWith('#')) continue;
    const words = line.split(/\s*[,;\t]\s*|\s+/).map((w) => w.replace(/^"(.*)"$/, '$1'));
    const numbers = words.map((w) => (w === '' ? NaN : Number(w)));
    if (rows.length === 0 && k === lines.findIndex((l) => l.trim() !== '') && numbers.every(Number.isNaN)) continue;
    if (words.length !== 2) return {problem: `${name}: line ${k + 1}: 2 columns expected, ${words.length} found.`};
    for (let c = 0; c < 2; c++)
      if (!Number.isFinite(Math.fround(numbers[c])))
        return {problem: `${name}: line ${k + 1}, column ${c + 1}: a number expected, “${words[c].slice(0, 20)}” found.`};
    rows.push(numbers);
  }
  if (rows.length < FEWEST) return {problem: `${name}: at least ${FEWEST} rows of 2 numbers expected, ${rows.length} found.`};
  for (let c = 0; c < 2; c++)
    if (rows.every((r) => r[c] === rows[0][c]))
      return {problem: `${name}: column ${c + 1}: values that vary expected, one value found.`};
  const step = Math.max(1, rows.length / MOST), kept = [];
  for (let k = 0; k < rows.length; k += step) kept.push(rows[Math.floor(k)]);
  const note = kept.length < rows.length ? `${name}: ${kept.length} of its ${rows.length} rows.` : `${name}: ${rows.length} rows.`;
  return {points: Float32Array.from(kept.flat()), note};
}
