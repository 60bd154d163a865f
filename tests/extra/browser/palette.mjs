// A PNG of 8-bit RGB as one of at most 256 colours, a third of the size for a page with text and contours: the colours
// that are used most, and each pixel the nearest of them.
import {deflateSync, inflateSync} from 'node:zlib';

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

// Undoes the five filters of PNG on rows of bytes, in place.
function unfilter(raw, width, height) {
  const row = 3 * width, out = Buffer.alloc(row * height);
  for (let y = 0; y < height; y++) {
    const kind = raw[y * (row + 1)];
    for (let i = 0; i < row; i++) {
      const left = i >= 3 ? out[y * row + i - 3] : 0, up = y ? out[(y - 1) * row + i] : 0;
      const corner = y && i >= 3 ? out[(y - 1) * row + i - 3] : 0, p = left + up - corner;
      const [a, b, c] = [Math.abs(p - left), Math.abs(p - up), Math.abs(p - corner)];
      const paeth = a <= b && a <= c ? left : b <= c ? up : corner;
      out[y * row + i] = raw[y * (row + 1) + 1 + i] + [0, left, up, (left + up) >> 1, paeth][kind];
    }
  }
  return out;
}

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]), out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0), body.copy(out, 4), out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

export function toPalette(png) {
  const parts = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at))
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  const width = png.readUInt32BE(16), height = png.readUInt32BE(20);
  if (png[24] !== 8 || png[25] !== 2) throw new Error(`8-bit RGB expected, depth ${png[24]}, type ${png[25]} found`);
  const pixels = unfilter(inflateSync(Buffer.concat(parts)), width, height), used = new Map();
  for (let i = 0; i < pixels.length; i += 3) {
    const color = (pixels[i] << 16) | (pixels[i + 1] << 8) | pixels[i + 2];
    used.set(color, (used.get(color) ?? 0) + 1);
  }
  const palette = [...used].sort((a, b) => b[1] - a[1]).slice(0, 256).map(([c]) => [c >> 16, (c >> 8) & 255, c & 255]);
  const nearest = new Map();
  for (const color of used.keys()) {
    const [r, g, b] = [color >> 16, (color >> 8) & 255, color & 255];
    let best = Infinity;
    palette.forEach((p, k) => {
      const far = (p[0] - r) ** 2 + (p[1] - g) ** 2 + (p[2] - b) ** 2;
      if (far < best) best = far, nearest.set(color, k);
    });
  }
  const rows = Buffer.alloc((width + 1) * height);
  for (let i = 0; i < width * height; i++)
    rows[i + Math.floor(i / width) + 1] = nearest.get((pixels[3 * i] << 16) | (pixels[3 * i + 1] << 8) | pixels[3 * i + 2]);
  const header = Buffer.from(png.subarray(16, 29));
  header[9] = 3; // of a palette
  return Buffer.concat([png.subarray(0, 8), chunk('IHDR', header), chunk('PLTE', Buffer.from(palette.flat())),
    chunk('IDAT', deflateSync(rows, {level: 9})), chunk('IEND', Buffer.alloc(0))]);
}
