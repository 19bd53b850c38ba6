// A drawing with the pointer becomes a sample of the network's size: ink is 1, paper 0, as in the digits' data set.

const STROKE = 18; // of 224 pixels
const MARGIN = 0.06; // of the ink's longer side

export class Drawing {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.wipe();
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => event.buttons && this.line(event));
  }

  wipe() {
    this.context.fillStyle = "#fff";
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.last = null;
  }

  begin(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.last = null;
    this.line(event);
  }

  line({ offsetX, offsetY }) {
    const [x, y] = this.last ?? [offsetX, offsetY];
    const pen = this.context;
    Object.assign(pen, { lineWidth: STROKE, lineCap: "round", strokeStyle: "#000" });
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(offsetX, offsetY);
    pen.stroke();
    this.last = [offsetX, offsetY];
  }

  // The ink's surroundings as a square, averaged over height x width cells; null when nothing was drawn.
  sample(height, width) {
    const ink = this.ink();
    if (ink === null) return null;
    const side = Math.max(ink.right - ink.left, ink.bottom - ink.top) * (1 + 2 * MARGIN);
    const left = (ink.left + ink.right - side) / 2, top = (ink.top + ink.bottom - side) / 2;
    const values = new Float32Array(height * width);
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++)
        values[row * width + column] = ink.mean(
          left + (column * side) / width, top + (row * side) / height, side / width, side / height,
        );
    return values;
  }

  ink() {
    const { width, height } = this.canvas;
    const { data } = this.context.getImageData(0, 0, width, height);
    const darkness = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : 1 - data[4 * (y * width + x)] / 255);
    let left = width, right = -1, top = height, bottom = -1;
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        if (darkness(x, y) > 0.5) {
          [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
          [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
        }
    if (right < 0) return null;
    const mean = (x, y, w, h) => {
      let sum = 0, count = 0;
      for (let row = Math.floor(y); row < y + h; row++)
        for (let column = Math.floor(x); column < x + w; column++, count++) sum += darkness(column, row);
      return sum / count;
    };
    return { left, right, top, bottom, mean };
  }
}
