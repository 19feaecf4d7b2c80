/**
 * Triangles into pixels with a z-buffer. It is done here and not by WebGL, of which a page has few contexts: a graph may
 * have any number of editors, and they look the same on every machine.
 */

/** What was drawn: `colours` as in ImageData, and by pixel who is there, `owners`, −1 for nobody. */
export class Raster {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.colours = new Uint8ClampedArray(4 * width * height);
    this.owners = new Int8Array(width * height);
    this.near = new Float32Array(width * height);
    this.clear();
  }

  clear() {
    this.colours.fill(0);
    this.owners.fill(-1);
    this.near.fill(0);
  }

  /**
   * Draw triangles.
   *
   * @param faces three vertices each.
   * @param seen x, y in pixels and 1 / distance of every vertex, `[3 V]`; 0 for one that is behind the camera.
   * @param colours 0–255 of every vertex, `[3 V]`.
   * @param owner who they belong to.
   */
  draw(faces, seen, colours, owner) {
    for (let corner = 0; corner < faces.length; corner += 3)
      this.#triangle(3 * faces[corner], 3 * faces[corner + 1], 3 * faces[corner + 2], seen, colours, owner);
  }

  #triangle(a, b, c, seen, colours, owner) {
    const [ax, ay, az, bx, by, bz] = [seen[a], seen[a + 1], seen[a + 2], seen[b], seen[b + 1], seen[b + 2]];
    const [cx, cy, cz] = [seen[c], seen[c + 1], seen[c + 2]];
    const area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
    // Seen from behind, outside turns the other way round; pixels go down.
    if (!(area < 0) || !az || !bz || !cz) return;
    const top = Math.max(Math.ceil(Math.min(ay, by, cy) - 0.5), 0);
    const bottom = Math.min(Math.floor(Math.max(ay, by, cy) - 0.5), this.height - 1);
    const left = Math.max(Math.ceil(Math.min(ax, bx, cx) - 0.5), 0);
    const right = Math.min(Math.floor(Math.max(ax, bx, cx) - 0.5), this.width - 1);
    for (let row = top; row <= bottom; row++) {
      const y = row + 0.5;
      for (let column = left; column <= right; column++) {
        const x = column + 0.5;
        const first = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area;
        const second = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area;
        const third = 1 - first - second;
        if (first < 0 || second < 0 || third < 0) continue;
        const pixel = row * this.width + column;
        const near = first * az + second * bz + third * cz;
        if (near <= this.near[pixel]) continue;
        this.near[pixel] = near;
        this.owners[pixel] = owner;
        const place = 4 * pixel;
        for (let channel = 0; channel < 3; channel++)
          this.colours[place + channel] = first * colours[a + channel] + second * colours[b + channel] + third * colours[c + channel];
        this.colours[place + 3] = 255;
      }
    }
  }
}
