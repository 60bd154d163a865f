// Tables for the page: what is read, and the one sentence that says what is wrong. Prints what is not as expected.
import {ROWS_MAX, decodeText, readCsv} from '../docs/playground/src/csv.mjs';

const rows = (n, f = (k) => `${k},${k * k}`) => Array.from({length: n}, (_, k) => f(k)).join('\n');
const expect = (name, text, expected) => {
  const {problem, points} = readCsv(text, 'a.csv');
  const found = problem ?? points.length / 2;
  if (found !== expected) console.log(`${name}: ${expected} expected, ${found} found`);
};
expect('plain', rows(20), 20);
expect('names, quotes, blank lines, comments', '"x","y"\r\n\r\n# note\r\n' + rows(25).replaceAll('\n', '\r\n') + '\r\n', 25);
expect('tabs', rows(20, (k) => `${k}\t${-k}e-3`), 20);
expect('semicolons', rows(20, (k) => ` ${k} ; ${-k} `), 20);
expect('blanks', rows(20, (k) => `  ${k}   ${-k}`), 20);
expect('bars', 'x|y\n' + rows(20, (k) => `${k}|${-k}`), 20);
expect('decimal commas', rows(20, (k) => `${k},5;-0,${k}`), 20);
expect('names of two words behind a comment', '# note\nPC 1,PC 2\n' + rows(20), 20);
expect('time stamps', rows(20, (k) => `${1.7e9 + k},${k}`), 20);
expect('a second line of names', 'x,y\nm,s\n' + rows(20), 'a.csv: line 2, column 1: a number expected, “m” found.');
expect('a word', rows(10) + '\n3,abc\n' + rows(10), 'a.csv: line 11, column 2: a number expected, “abc” found.');
expect('a hole', rows(10) + '\n3,\n' + rows(10), 'a.csv: line 11, column 2: a number expected, “” found.');
expect('an infinity', rows(20) + '\n1e39,2', 'a.csv: line 21, column 1: a number expected, “1e39” found.');
expect('three columns', '1,2,3\n4,5,6', 'a.csv: line 1: 2 columns expected, 3 found.');
expect('few', rows(19), 'a.csv: at least 20 rows of 2 numbers expected, 19 found.');
expect('nothing', '', 'a.csv: at least 20 rows of 2 numbers expected, 0 found.');
expect('constant', rows(30, (k) => `${k},5`), 'a.csv: column 2: values that vary expected, one value found.');
expect('many', rows(3 * ROWS_MAX), ROWS_MAX);
const wide = Uint8Array.from([0xff, 0xfe, ...[...rows(20)].flatMap((c) => [c.charCodeAt(0), 0])]);
expect('UTF-16', decodeText(wide.buffer), 20);
const stamps = readCsv(rows(20, (k) => `${1.7e9 + k},${k}`), '').points;
if (stamps[2] - stamps[0] !== 1) console.log(`time stamps: 1 second expected, ${stamps[2] - stamps[0]} found`);
