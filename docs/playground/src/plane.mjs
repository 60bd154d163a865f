// A square picture of the plane: a canvas that follows its width and the pixels of the screen, and a window of the
// data's units on it.

export class Plane {
  // draw(plane) is called when something has changed, at most once a frame.
  constructor(canvas, draw) {
    this.canvas = canvas, this.draw = draw;
    this.context = canvas.getContext('2d');
    this.window = {left: -3, right: 3, bottom: -3, top: 3};
    this.size = 0;
    new ResizeObserver(() => this.resize()).observe(canvas); // also when it comes into sight first
  }

  resize() {
    const width = this.canvas.clientWidth, ratio = Math.min(2, devicePixelRatio || 1);
    if (!width || (width === this.size && ratio === this.ratio)) return;
    this.size = width, this.ratio = ratio;
    this.canvas.width = this.canvas.height = Math.round(width * ratio);
    this.changed();
  }

  changed() {
    if (this.waiting || !this.size) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
      this.context.clearRect(0, 0, this.size, this.size);
      this.draw(this);
    });
  }

  // Between the data's units and pixels of the style sheet.
  x = (value) => ((value - this.window.left) / (this.window.right - this.window.left)) * this.size;
  y = (value) => ((this.window.top - value) / (this.window.top - this.window.bottom)) * this.size;
  at(event) {
    const box = this.canvas.getBoundingClientRect(), w = this.window;
    return {
      x: w.left + ((event.clientX - box.left) / box.width) * (w.right - w.left),
      y: w.top - ((event.clientY - box.top) / box.height) * (w.top - w.bottom),
    };
  }

  // count pairs of a flat array as squares of one colour: for thousands of dots faster than circles
  dots(points, count, size, color, alpha = 1) {
    const c = this.context, half = size / 2;
    c.fillStyle = color, c.globalAlpha = alpha;
    c.beginPath();
    for (let i = 0; i < count; i++) {
      const px = this.x(points[2 * i]), py = this.y(points[2 * i + 1]);
      if (size < 3) c.rect(px - half, py - half, size, size);
      else c.moveTo(px + half, py), c.arc(px, py, half, 0, 7);
    }
    c.fill();
    c.globalAlpha = 1;
  }

  ring(x, y, radius, color, width = 2) {
    const c = this.context;
    c.strokeStyle = color, c.lineWidth = width;
    c.beginPath(), c.arc(this.x(x), this.y(y), radius, 0, 7), c.stroke();
  }

  line(x0, y0, x1, y1, color, width = 1) {
    const c = this.context;
    c.strokeStyle = color, c.lineWidth = width;
    c.beginPath(), c.moveTo(this.x(x0), this.y(y0)), c.lineTo(this.x(x1), this.y(y1)), c.stroke();
  }
}
