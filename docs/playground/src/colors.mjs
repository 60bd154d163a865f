// Colours: viridis for what has a scale, those of the style sheet for everything else.

// Nine of the 256 colours of viridis (van der Walt and Smith, 2015); between them it is as good as straight.
const VIRIDIS = ['440154', '472d7b', '3b528b', '2c728e', '21918c', '28ae80', '5ec962', 'addc30', 'fde725'];
const CHANNELS = VIRIDIS.map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));

// t in [0, 1] -> [red, green, blue]
export function viridis(t) {
  const at = Math.max(0, Math.min(1, t)) * (CHANNELS.length - 1), k = Math.min(CHANNELS.length - 2, Math.floor(at));
  return CHANNELS[k].map((c, i) => Math.round(c + (at - k) * (CHANNELS[k + 1][i] - c)));
}
export const viridisCss = (t) => `rgb(${viridis(t).join(',')})`;

export const BANDS = 8, DEPTH = 6; // a density is shown in bands of colour from its top down, over so many nats

// A colour of the style sheet, --name; asking costs more than remembering.
const remembered = {};
export const ink = (name) =>
  (remembered[name] ??= getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim());

// Calls f when light becomes dark or back.
export const onTheme = (f) =>
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    for (const name of Object.keys(remembered)) delete remembered[name];
    f();
  });
