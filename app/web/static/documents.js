// What a round takes and gives: the global model is read, an update is written (docs/reference/federation-protocol.md).

import { CborError, Float, Tagged, decode, encode } from "/web/cbor.js";
import { sizeOf } from "/web/shapes.js";

const FLOAT32_LE = 85; // RFC 8746, 2.1; arrays are little-endian in every browser's memory too
const BASE_BYTES = 32;

export class DocumentError extends Error {}

// {federation, round, weights: Float32Array per parameter}. Throws DocumentError.
export function readModel(bytes, parameters) {
  let found;
  try {
    found = decode(bytes);
  } catch (error) {
    if (error instanceof CborError) throw new DocumentError(`The global model is no CBOR: ${error.message}.`);
    throw error;
  }
  const weights = found instanceof Map ? found.get("weights") : undefined;
  if (!Array.isArray(weights) || weights.length !== parameters.length || !Number.isInteger(found.get("round")))
    throw new DocumentError(`The global model has no round, or not ${parameters.length} weights.`);
  return {
    federation: found.get("federation"),
    round: found.get("round"),
    weights: weights.map((array, index) => readArray(array, parameters[index])),
  };
}

function readArray(array, parameter) {
  const bytes = sizeOf(parameter.shape) * Float32Array.BYTES_PER_ELEMENT;
  if (!(array instanceof Tagged) || array.tag !== FLOAT32_LE || array.value?.length !== bytes)
    throw new DocumentError(`${parameter.name}: not ${bytes} bytes of float32.`);
  return new Float32Array(array.value.slice().buffer);
}

// The bytes of an update with new weights (not differences).
export function writeUpdate({ round, base, samples, weights, loss }) {
  return encode(
    new Map([
      ["round", round],
      ["base", fromHex(base)],
      ["samples", samples],
      ["weights", weights.map((values) => new Tagged(FLOAT32_LE, bytesOf(values)))],
      ["loss", new Float(loss)],
    ]),
  );
}

// SHA-256 over the weights in hex, as the server names the version that they are; null where a browser has no hashes:
// it offers them on https and on the machine itself only.
export async function identity(weights) {
  if (globalThis.crypto?.subtle === undefined) return null;
  const whole = new Uint8Array(weights.reduce((sum, values) => sum + values.byteLength, 0));
  let at = 0;
  for (const values of weights) {
    whole.set(bytesOf(values), at);
    at += values.byteLength;
  }
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", whole)));
}

const bytesOf = (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

export const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function fromHex(text) {
  if (!new RegExp(`^[0-9a-f]{${2 * BASE_BYTES}}$`).test(text)) throw new DocumentError("The base is no SHA-256.");
  return Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
}
