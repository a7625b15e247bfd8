// run_onnx.js - runs ONNX models by onnxruntime, for test_onnxruntime.py.
//
// usage: node run_onnx.js DIRECTORY MODEL IMAGES LOGITS [MODEL IMAGES LOGITS ...]
//
// DIRECTORY is where npm has installed onnxruntime-web. IMAGES holds bytes, [N][28][28]; LOGITS is written, floats
// [N][classes].
"use strict";
const fs = require("fs");

const SIDE = 28;

async function run(ort, model, images, logits) {
    const session = await ort.InferenceSession.create(model);
    const pixels = new Uint8Array(fs.readFileSync(images));
    const image = new ort.Tensor("uint8", pixels, [pixels.length / (SIDE * SIDE), 1, SIDE, SIDE]);
    const found = await session.run({image});
    fs.writeFileSync(logits, new Uint8Array(found.logits.data.slice().buffer));
    await session.release();
}

async function main([directory, ...jobs]) {
    const ort = require(require.resolve("onnxruntime-web", {paths: [directory]}));
    ort.env.wasm.numThreads = 1;
    while (jobs.length > 0) {
        await run(ort, ...jobs.splice(0, 3));
    }
}

main(process.argv.slice(2)).catch((error) => {
    console.error(error);
    process.exit(1);
});
