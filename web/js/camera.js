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

/** The camera moved so that balls `[{place, radius}]` fill the picture. */
export function framed(camera, size, balls) {
  const turned = looking(camera);
  const seen = balls.map(({ place, radius }) => ({ at: apply(turned, place), radius }));
  if (!seen.length) return { ...camera, centre: [0, 0, 1], height: 2 };
  const middle = [0, 1, 2].map((axis) => {
    const low = Math.min(...seen.map(({ at, radius }) => at[axis] - radius));
    return (low + Math.max(...seen.map(({ at, radius }) => at[axis] + radius))) / 2;
  });
  let [wide, tall] = [1, 1];
  // Twice: what is near is enlarged, and moves the middle of what is seen.
  for (let round = 0; round < 2; round++) {
    const reaches = (axis) => {
      const flat = seen.map(({ at, radius }) => {
        const shrink = camera.distance / Math.max(camera.distance + at[1] - middle[1], 0.1);
        return [(at[axis] - radius - middle[axis]) * shrink, (at[axis] + radius - middle[axis]) * shrink];
      });
      return [Math.min(...flat.map(([low]) => low)), Math.max(...flat.map(([, high]) => high))];
    };
    const [across, up] = [reaches(0), reaches(2)];
    [wide, tall] = [across[1] - across[0], up[1] - up[0]];
    middle[0] += (across[0] + across[1]) / 2;
    middle[2] += (up[0] + up[1]) / 2;
  }
  const height = Math.max(tall, (wide * size.height) / size.width, 0.01) / FILL;
  return { ...camera, centre: apply(inverse(turned), middle), height };
}
