// The rival ONNX Runtime: forward passes that torch_networks.py has exported, repeated for some time.
//
//     node tests/bench/onnx_networks.js FOLDER-OF-MODULES FOLDER-OF-NETWORKS THREADS SECONDS
//
// For each NAME.onnx, with one thread and with as many as THREADS says:
//
//     onnx name=forward_small_t2 way=default value=... unit=images/s
const fs = require("fs");
const path = require("path");
const [modules, folder, threads, seconds] = process.argv.slice(2);
const ort = require(path.resolve(modules, "onnxruntime-node"));

// Numbers in (-1, 1) for each input, in the shape that the network was exported with.
function inputs(session) {
  const feeds = {};
  for (const { name, shape } of session.inputMetadata) {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1)).map(() => 2 * Math.random() - 1);
    feeds[name] = new ort.Tensor("float32", values, shape);
  }
  return feeds;
}

async function measure(file, threads) {
  const options = { intraOpNumThreads: threads, interOpNumThreads: 1 };
  const session = await ort.InferenceSession.create(path.join(folder, file), options);
  const feeds = inputs(session);
  const shape = session.inputMetadata[0].shape;
  await session.run(feeds); // a warm-up
  const started = performance.now();
  let calls = 0, elapsed;
  do {
    await session.run(feeds);
    calls++;
    elapsed = (performance.now() - started) / 1000;
  } while (elapsed < seconds);
  const name = `${path.parse(file).name}_t${threads}`, unit = shape.length == 4 ? "images/s" : "rows/s";
  const value = Number(((calls * shape[0]) / elapsed).toPrecision(6));
  console.log(`onnx name=${name} way=default value=${value} unit=${unit}`);
  await session.release();
}

(async () => {
  for (const file of fs.readdirSync(folder).filter((name) => name.endsWith(".onnx")))
    for (const n of new Set([1, Number(threads)])) await measure(file, n);
})();
