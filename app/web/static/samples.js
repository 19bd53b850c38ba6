// A person's samples: read from a file in the browser, checked against what the federation's network takes.

import { sizeOf } from "/web/shapes.js";

const MAX_FILE_BYTES = 256 * 1024 * 1024;
const MAX_UNPACKED_BYTES = 1024 * 1024 * 1024;

export class SamplesError extends Error {}

// {values: Float32Array, shape of one sample, count, labels: numbers or texts of one sample after the other, or null}.
// Throws SamplesError.
export async function readFile(file) {
  if (file.size > MAX_FILE_BYTES) throw new SamplesError(`${file.name} is larger than ${MAX_FILE_BYTES >> 20} MiB.`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  return bytes[0] === 0x50 && bytes[1] === 0x4b ? readNpz(bytes) : readCsv(new TextDecoder().decode(bytes));
}

// What the network learns: `x` as it sees it, and labels as numbers. Throws SamplesError with what does not fit.
export function prepared(found, network) {
  const values = sizeOf(network.inputShape);
  const given = sizeOf(found.shape);
  if (given !== values)
    throw new SamplesError(`A sample has ${given} values; the network takes ${network.inputShape.join("x")}.`);
  if (found.labels === null && network.task !== "anomaly-detection")
    throw new SamplesError("There are no labels: name them y in an .npz, or label in the first line of a .csv.");
  const each = network.task === "regression" ? network.outputs : 1;
  if (found.labels !== null && found.labels.length !== found.count * each)
    throw new SamplesError(`A sample has ${found.labels.length / found.count} answers; the network gives ${each}.`);
  const labels = found.labels === null ? null : found.labels.map((label) => labelNumber(label, network));
  for (const value of found.values) if (!Number.isFinite(value)) throw new SamplesError("A value is no number.");
  return { values: found.values, count: found.count, labels };
}

function labelNumber(label, { task, labels: names }) {
  if (task !== "classification") {
    if (!Number.isFinite(Number(label))) throw new SamplesError(`The target ${label} is no number.`);
    return Number(label);
  }
  const number = names.indexOf(String(label));
  if (number < 0) throw new SamplesError(`There is no label ${label}; the federation has ${names.join(", ")}.`);
  return number;
}

// --- CSV: a line of names, a column `label` or `class` (or the last one), numbers in all others -----------------------

export function readCsv(text) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (lines.length < 2) throw new SamplesError("The file has no line of names with samples below it.");
  const separator = [";", "\t"].find((sign) => lines[0].includes(sign)) ?? ",";
  const cells = (line) => line.split(separator).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
  const names = cells(lines[0]).map((name) => name.toLowerCase());
  const named = names.findIndex((name) => name === "label" || name === "class");
  const label = named >= 0 ? named : names.length - 1;
  const count = lines.length - 1, features = names.length - 1;
  const values = new Float32Array(count * features), labels = [];
  for (let row = 0; row < count; row++) {
    const found = cells(lines[row + 1]);
    if (found.length !== names.length)
      throw new SamplesError(`Line ${row + 2} has ${found.length} columns, the first line ${names.length}.`);
    labels.push(...found.splice(label, 1));
    found.forEach((cell, column) => {
      const value = cell === "" ? NaN : Number(cell);
      if (!Number.isFinite(value)) throw new SamplesError(`Line ${row + 2}: ${cell || "an empty cell"} is no number.`);
      values[row * features + column] = value;
    });
  }
  return { values, shape: [features], count, labels };
}

// --- NPZ: a zip of NumPy's arrays x and y ----------------------------------------------------------------------------

export async function readNpz(bytes) {
  const members = zipMembers(bytes);
  const wanted = async (name) => {
    const member = members.get(`${name}.npy`);
    return member === undefined ? null : readNpy(await unpacked(bytes, member), name);
  };
  const x = await wanted("x"), y = await wanted("y");
  if (x === null) throw new SamplesError(`The file has no array x; it has ${[...members.keys()].join(", ") || "none"}.`);
  if (x.shape.length < 2 || !(x.values instanceof Float32Array))
    throw new SamplesError("x: numbers in an array [samples, ...] are needed.");
  if (y !== null && (y.shape.length > 2 || y.shape[0] !== x.shape[0]))
    throw new SamplesError(`y has the shape [${y.shape}], and x has ${x.shape[0]} samples.`);
  const [count, ...shape] = x.shape;
  if (x.dtype === "u1" && shape.length === 3) x.values.forEach((value, at) => (x.values[at] = value / 255)); // a picture
  return { values: x.values, shape, count, labels: y === null ? null : Array.from(y.values) };
}

// Where each member's data lies; APPNOTE.TXT 4.3. The central directory has the sizes, also where the member has not.
function zipMembers(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw new SamplesError("The file is no .npz: its directory is missing.");
  const members = new Map();
  let at = view.getUint32(end + 16, true);
  try {
    for (let left = view.getUint16(end + 10, true); left > 0; left--) {
      if (view.getUint32(at, true) !== 0x02014b50) throw new RangeError();
      const [name, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
      const local = view.getUint32(at + 42, true);
      members.set(new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + name)), {
        method: view.getUint16(at + 10, true),
        packed: view.getUint32(at + 20, true),
        size: view.getUint32(at + 24, true),
        begin: local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true),
      });
      at += 46 + name + extra + comment;
    }
  } catch (error) {
    if (error instanceof RangeError) throw new SamplesError("The .npz is cut off.");
    throw error;
  }
  return members;
}

async function unpacked(bytes, { method, packed, size, begin }) {
  if (size > MAX_UNPACKED_BYTES) throw new SamplesError(`An array is larger than ${MAX_UNPACKED_BYTES >> 20} MiB.`);
  const data = bytes.subarray(begin, begin + packed);
  if (method === 0 && data.length === size) return data;
  if (method !== 8) throw new SamplesError("The .npz is cut off, or packed in a way that browsers do not unpack.");
  const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const whole = new Uint8Array(size); // what unpacks to more than it says is refused as it comes
  let at = 0;
  try {
    for (const reader = stream.getReader(); ; ) {
      const { value, done } = await reader.read();
      if (done) break;
      whole.set(value, at);
      at += value.length;
    }
  } catch (error) {
    throw new SamplesError(`The .npz cannot be unpacked: ${error.message}`);
  }
  if (at !== size) throw new SamplesError("The .npz is cut off.");
  return whole;
}

const NUMBERS = {
  b1: [1, "getUint8"], u1: [1, "getUint8"], i1: [1, "getInt8"], u2: [2, "getUint16"], i2: [2, "getInt16"],
  u4: [4, "getUint32"], i4: [4, "getInt32"], u8: [8, "getBigUint64"], i8: [8, "getBigInt64"],
  f4: [4, "getFloat32"], f8: [8, "getFloat64"],
};

// numpy.lib.format: a magic, a version, the header as a Python literal, the elements. Texts become strings.
function readNpy(bytes, name) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || view.getUint32(0) !== 0x934e554d) throw new SamplesError(`${name} is no NumPy array.`);
  const wide = bytes[6] > 1;
  const begin = (wide ? 12 + view.getUint32(8, true) : 10 + view.getUint16(8, true));
  const header = new TextDecoder("latin1").decode(bytes.subarray(wide ? 12 : 10, begin));
  const [, order, dtype] = header.match(/'descr': *'([<>|=])([a-zA-Z]\d+)'/) ?? [];
  const dimensions = header.match(/'shape': *\(([\d, ]*)\)/)?.[1];
  if (dtype === undefined || dimensions === undefined || /'fortran_order': *True/.test(header))
    throw new SamplesError(`${name}: an array of plain numbers or texts, stored by rows, is needed.`);
  const shape = dimensions.split(",").filter((part) => part.trim() !== "").map(Number);
  const count = sizeOf(shape), little = order !== ">";
  const text = dtype[0] === "U" ? Number(dtype.slice(1)) : null;
  const [width, read] = text === null ? (NUMBERS[dtype] ?? []) : [4 * text, null];
  if (width === undefined || count * width !== bytes.length - begin)
    throw new SamplesError(`${name}: its type ${dtype} is not read, or it is cut off.`);
  if (text !== null) return { shape, dtype, values: texts(view, begin, count, text, little) };
  const values = new Float32Array(count);
  for (let index = 0; index < count; index++) values[index] = Number(view[read](begin + index * width, little));
  return { shape, dtype, values };
}

function texts(view, begin, count, length, little) {
  return Array.from({ length: count }, (_, row) => {
    const points = Array.from({ length }, (_, at) => view.getUint32(begin + 4 * (row * length + at), little));
    return String.fromCodePoint(...points.filter((point) => point !== 0));
  });
}
