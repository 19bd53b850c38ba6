// What the modules of the page share.

// The network is one that a browser does not train.
export class NetworkError extends Error {}
export class Diverged extends NetworkError {} // of these weights: the next round has others

export const sizeOf = (shape) => shape.reduce((product, length) => product * length, 1);
