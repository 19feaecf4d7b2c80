/**
 * Where the mannequin is looked at from: `preprocessors/body/camera.py` once more.
 *
 * A camera is `{yaw, pitch, roll, distance, centre, height}`, as the JSON has it: degrees, metres. A view has a picture
 * of `width` and `height` pixels besides.
 */

import { add, apply, inverse, minus, product, radians, rotation } from "./linear.js";

export const DISTANCE = 5;
const FILL = 0.87;

/** From the world's axes to the camera's: x to the right of the picture, y away, z up. */
export function looking(camera) {
  const [yaw, pitch, roll] = [camera.yaw, camera.pitch, camera.roll].map(radians);
  return product(rotation([0, roll, 0]), product(rotation([pitch, 0, 0]), rotation([0, 0, -yaw])));
}

/** `{x, y, away, scale}`: pixels of a place, metres in front of the pinhole, and pixels of a metre there. */
export function projected(camera, turned, size, place) {
  const [x, y, z] = apply(turned, minus(place, camera.centre));
  const away = camera.distance + y;
  const scale = ((camera.distance / Math.max(away, 1e-6)) * size.height) / camera.height;
  return { x: x * scale + size.width / 2, y: size.height / 2 - z * scale, away, scale };
}

/** The place at a pixel that is as far away as another place. */
export function placeAt(camera, turned, size, pixel, like) {
  const y = apply(turned, minus(like, camera.centre))[1];
  const scale = ((camera.distance / Math.max(camera.distance + y, 1e-6)) * size.height) / camera.height;
  const seen = [(pixel.x - size.width / 2) / scale, y, (size.height / 2 - pixel.y) / scale];
  return add(camera.centre, apply(inverse(turned), seen));
}

/** The camera moved so that all places, lists of `[x, y, z, x, …]`, fill the picture. */
export function framed(camera, size, lists) {
  if (!lists.length) return { ...camera, centre: [0, 0, 1], height: 2 };
  const turned = looking(camera);
  const seen = lists.map((places) => {
    const result = new Float64Array(places.length);
    for (let at = 0; at < places.length; at += 3) result.set(apply(turned, [places[at], places[at + 1], places[at + 2]]), at);
    return result;
  });
  const middle = [0, 1, 2].map((axis) => {
    const [low, high] = reached(seen, (places, at) => places[at + axis]);
    return (low + high) / 2;
  });
  let [wide, tall] = [1, 1];
  // Twice: what is near is enlarged, and moves the middle of what is seen.
  for (let round = 0; round < 2; round++) {
    const flat = (axis) => (places, at) =>
      ((places[at + axis] - middle[axis]) * camera.distance) / Math.max(camera.distance + places[at + 1] - middle[1], 0.1);
    const [across, up] = [reached(seen, flat(0)), reached(seen, flat(2))];
    [wide, tall] = [across[1] - across[0], up[1] - up[0]].map((side) => Math.max(side, 1e-3));
    middle[0] += (across[0] + across[1]) / 2;
    middle[2] += (up[0] + up[1]) / 2;
  }
  const height = Math.max(tall, (wide * size.height) / size.width) / FILL;
  return { ...camera, centre: apply(inverse(turned), middle), height };
}

/** The least and the most of a value of every place. */
function reached(lists, value) {
  let [low, high] = [Infinity, -Infinity];
  for (const places of lists)
    for (let at = 0; at < places.length; at += 3) {
      const here = value(places, at);
      low = Math.min(low, here);
      high = Math.max(high, here);
    }
  return [low, high];
}
