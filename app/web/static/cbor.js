// CBOR as a federation's documents use it: RFC 8949 without floats of 16 bits, and the tags of RFC 8746.

const MAX_DEPTH = 8;
const UNSIGNED = 0, NEGATIVE = 1, BYTES = 2, TEXT = 3, ARRAY = 4, MAP = 5, TAG = 6;
const INDEFINITE = 31, BREAK = 0xff;

export class CborError extends Error {}

export class Tagged {
  constructor(tag, value) {
    this.tag = tag;
    this.value = value;
  }
}

// --- Encoding --------------------------------------------------------------------------------------------------------

// `value`: a whole number, Float (below), text, Uint8Array, array, Map or Tagged.
export function encode(value) {
  const parts = [];
  write(parts, value);
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

// A number that is written as a float of 64 bits, whole or not.
export class Float {
  constructor(value) {
    this.value = value;
  }
}

function write(parts, value) {
  if (Number.isSafeInteger(value) && value >= 0) parts.push(head(UNSIGNED, value));
  else if (value instanceof Float) parts.push(float64(value.value));
  else if (typeof value === "string") {
    const text = new TextEncoder().encode(value);
    parts.push(head(TEXT, text.length), text);
  } else if (value instanceof Uint8Array) parts.push(head(BYTES, value.length), value);
  else if (Array.isArray(value)) {
    parts.push(head(ARRAY, value.length));
    for (const item of value) write(parts, item);
  } else if (value instanceof Map) {
    parts.push(head(MAP, value.size));
    for (const [key, item] of value) {
      write(parts, key);
      write(parts, item);
    }
  } else if (value instanceof Tagged) {
    parts.push(head(TAG, value.tag));
    write(parts, value.value);
  } else throw new CborError(`no form for ${typeof value} ${String(value).slice(0, 40)}`);
}

function head(major, argument) {
  if (argument < 24) return Uint8Array.of((major << 5) | argument);
  const bytes = argument < 0x100 ? 1 : argument < 0x10000 ? 2 : argument < 0x100000000 ? 4 : 8;
  const view = new DataView(new ArrayBuffer(1 + bytes));
  view.setUint8(0, (major << 5) | (24 + Math.log2(bytes)));
  if (bytes === 1) view.setUint8(1, argument);
  else if (bytes === 2) view.setUint16(1, argument);
  else if (bytes === 4) view.setUint32(1, argument);
  else view.setBigUint64(1, BigInt(argument));
  return new Uint8Array(view.buffer);
}

function float64(value) {
  const view = new DataView(new ArrayBuffer(9));
  view.setUint8(0, 0xfb);
  view.setFloat64(1, value);
  return new Uint8Array(view.buffer);
}

// --- Decoding --------------------------------------------------------------------------------------------------------

// The one item in `bytes`; byte strings are views of it. Throws CborError.
export function decode(bytes) {
  const reader = new Reader(bytes);
  const value = reader.item(0);
  if (reader.at !== bytes.length) throw new CborError("bytes after the end");
  return value;
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  take(count) {
    if (count > this.bytes.length - this.at) throw new CborError("cut off");
    this.at += count;
    return this.at - count;
  }

  item(depth) {
    if (depth > MAX_DEPTH) throw new CborError("nested too deeply");
    const first = this.view.getUint8(this.take(1));
    const major = first >> 5, short = first & 31;
    if (major === 7) return this.simple(short);
    if (short === INDEFINITE) return this.indefinite(major, depth);
    const argument = this.argument(short);
    switch (major) {
      case UNSIGNED: return argument;
      case NEGATIVE: return -1 - argument;
      case BYTES: return this.run(argument);
      case TEXT: return this.text(argument);
      case ARRAY: return Array.from({ length: this.plausible(argument) }, () => this.item(depth + 1));
      case MAP: return this.pairs(depth, this.plausible(argument));
      default: return new Tagged(argument, this.item(depth + 1));
    }
  }

  argument(short) {
    if (short < 24) return short;
    if (short === 24) return this.view.getUint8(this.take(1));
    if (short === 25) return this.view.getUint16(this.take(2));
    if (short === 26) return this.view.getUint32(this.take(4));
    if (short !== 27) throw new CborError("a reserved length");
    const wide = Number(this.view.getBigUint64(this.take(8)));
    if (!Number.isSafeInteger(wide)) throw new CborError("a number above 2^53");
    return wide;
  }

  // Every item takes a byte at least: what claims more is refused before anything is allocated.
  plausible(count) {
    if (count > this.bytes.length - this.at) throw new CborError("cut off");
    return count;
  }

  run(count) {
    const begin = this.take(count);
    return this.bytes.subarray(begin, begin + count);
  }

  text(count) {
    return new TextDecoder("utf-8", { fatal: true }).decode(this.run(count));
  }

  pairs(depth, count) {
    const found = new Map();
    for (let index = 0; index < count; index++) this.pair(found, depth);
    return found;
  }

  pair(found, depth) {
    const key = this.item(depth + 1);
    if (found.has(key)) throw new CborError(`the key ${String(key).slice(0, 40)} twice`);
    found.set(key, this.item(depth + 1));
  }

  ended() {
    if (this.at >= this.bytes.length) throw new CborError("cut off");
    if (this.bytes[this.at] !== BREAK) return false;
    this.at++;
    return true;
  }

  indefinite(major, depth) {
    if (major === ARRAY) {
      const items = [];
      while (!this.ended()) items.push(this.item(depth + 1));
      return items;
    }
    if (major === MAP) {
      const found = new Map();
      while (!this.ended()) this.pair(found, depth);
      return found;
    }
    throw new CborError("a string in pieces");
  }

  simple(short) {
    if (short === 20 || short === 21) return short === 21;
    if (short === 22) return null;
    if (short === 26) return this.view.getFloat32(this.take(4));
    if (short === 27) return this.view.getFloat64(this.take(8));
    throw new CborError(`the simple value ${short}`);
  }
}
