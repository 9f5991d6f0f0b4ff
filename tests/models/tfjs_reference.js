// SPDX-License-Identifier: Apache-2.0
//
// Runs a TensorFlow.js graph model by TensorFlow.js itself, for make_golden.py:
//   node tfjs_reference.js MODEL.json FEEDS.json RESULT_PREFIX
// FEEDS.json: {inputs: {name: {shape, dtype, file}}, outputs: [node]}. Writes RESULT_PREFIX<i>.bin (float32) and
// RESULT_PREFIX.json (the shapes). Needs the npm package @tensorflow/tfjs.
const fs = require('fs');
const path = require('path');
const tf = require('@tensorflow/tfjs');

function bytesOf(file) {
  const data = fs.readFileSync(file);
  return data.buffer.slice(data.byteOffset, data.byteOffset + data.length);
}

async function main() {
  const [, , modelFile, feedsFile, prefix] = process.argv;
  await tf.setBackend('cpu');
  const model = JSON.parse(fs.readFileSync(modelFile));
  const shards = model.weightsManifest.flatMap((group) => group.paths);
  const graph = await tf.loadGraphModel({
    load: async () => ({
      ...model,
      weightSpecs: model.weightsManifest.flatMap((group) => group.weights),
      weightData: tf.io.concatenateArrayBuffers(shards.map((shard) => bytesOf(path.join(path.dirname(modelFile), shard)))),
    }),
  });
  const feeds = JSON.parse(fs.readFileSync(feedsFile));
  const inputs = {};
  for (const [name, {shape, dtype, file}] of Object.entries(feeds.inputs)) {
    const values = dtype === 'int32' ? new Int32Array(bytesOf(file)) : new Float32Array(bytesOf(file));
    inputs[name] = tf.tensor(values, shape, dtype);
  }
  const results = [await graph.executeAsync(inputs, feeds.outputs)].flat();
  results.forEach((result, i) => {
    fs.writeFileSync(`${prefix}${i}.bin`, Buffer.from(Float32Array.from(result.dataSync()).buffer));
  });
  fs.writeFileSync(`${prefix}.json`, JSON.stringify(results.map((result) => result.shape)));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
