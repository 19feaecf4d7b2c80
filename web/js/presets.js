/**
 * Gestures of a hand to begin with: turns by joint, as in the node's JSON.
 */

const fingers = (bends) =>
  Object.fromEntries(
    Object.entries(bends).flatMap(([finger, [first, second, third]]) =>
      [first, second, third].map((bend, bone) => [`${finger} ${bone + 1}`, bend]),
    ),
  );
const curled = [85, 95, 60];
const long = [0, 0, 0];
const four = (bends) => ({ "index finger": bends, "middle finger": bends, "ring finger": bends, "little finger": bends });

/** Of one hand; its side is put before the names. */
export const HANDS = {
  Relaxed: fingers({ ...four([15, 15, 15]), thumb: long }),
  Flat: fingers({ ...four(long), thumb: long }),
  Fist: fingers({ ...four(curled), thumb: [30, 35, 50] }),
  Pointing: fingers({ ...four(curled), "index finger": long, thumb: [30, 35, 50] }),
  Victory: fingers({ ...four(curled), "index finger": long, "middle finger": long, thumb: [30, 35, 50] }),
  "Thumb up": fingers({ ...four(curled), thumb: [-20, -10, -10] }),
  Grip: fingers({ ...four([45, 50, 30]), thumb: [25, 20, 25] }),
};
