/**
 * Poses and gestures of a hand to begin with: turns by joint, as in the node's JSON.
 */

const both = (joints) =>
  Object.fromEntries(Object.entries(joints).flatMap(([name, turn]) => ["left", "right"].map((side) => [`${side} ${name}`, turn])));

/** Joints that are not named stand at ease. */
export const POSES = {
  Standing: {},
  "T-pose": both({ shoulder: [0, 42, 0], elbow: -38 }),
  "Arms up": both({ shoulder: [10, 115, 0], elbow: -20 }),
  "Hands on hips": both({ shoulder: [-25, 5, 35], elbow: 65 }),
  Waving: { "right shoulder": [15, 38, -82], "right elbow": 85, head: [0, 8, 0] },
  Walking: {
    "left hip": 28,
    "left knee": 10,
    "right hip": -16,
    "right knee": 32,
    "right ankle": -15,
    "left shoulder": [-25, -26, 0],
    "right shoulder": [28, -26, 0],
    "right elbow": 20,
    "left elbow": 15,
  },
  Running: {
    "left hip": 65,
    "left knee": 85,
    "right hip": -25,
    "right knee": 50,
    "right ankle": -30,
    chest: 10,
    waist: 8,
    "left shoulder": [-50, -20, 0],
    "left elbow": 70,
    "right shoulder": [45, -25, 0],
    "right elbow": 75,
  },
  Contrapposto: {
    hips: [0, 6, 0],
    "left hip": [10, 12, -8],
    "left knee": 22,
    "right hip": [0, -2, 0],
    waist: [0, -7, 0],
    chest: [0, -6, 0],
    head: [0, 5, 15],
    "right shoulder": [-25, 5, 35],
    "right elbow": 65,
  },
  Sitting: { ...both({ hip: 85, knee: 85, shoulder: [22, -30, 0], elbow: 8 }) },
  Kneeling: { "left hip": 85, "left knee": 88, "right hip": 3, "right knee": 95, "right ankle": -30 },
  Squatting: { ...both({ hip: [110, 15, 0], knee: 125, ankle: 25, shoulder: [55, -10, 0], elbow: 30 }), waist: 20 },
};

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
