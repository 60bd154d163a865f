// docs/playground/picture.sh: the top of the page after some thousand steps on the dino
import {pathToFileURL} from 'node:url';
import {readFileSync, writeFileSync} from 'node:fs';
import {toPalette} from './palette.mjs';
import {openBrowser, sleep} from './webdriver.mjs';

const browser = await openBrowser();
try {
  await browser.size(1120, 830), await browser.dark(false);
  await browser.go(pathToFileURL('docs/playground/index.html').href);
  await browser.run(`document.querySelector('[data-set=dino]').click()`);
  await browser.until('return playground.state.step >= 12000', 300000);
  await browser.run(`document.getElementById('run').click()`); // at rest the picture becomes fine
  await sleep(20000);
  await browser.picture(process.argv[2]);
  writeFileSync(process.argv[2], toPalette(readFileSync(process.argv[2])));
} finally {
  await browser.close();
}
