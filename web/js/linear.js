/**
 * Vectors of three numbers, and rotations as rows: nine numbers.
 */

export const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const times = (a, factor) => [a[0] * factor, a[1] * factor, a[2] * factor];
export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const length = (a) => Math.hypot(a[0], a[1], a[2]);
export const between = (a, b, share) => add(times(a, 1 - share), times(b, share));
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
export const radians = (degrees) => (degrees * Math.PI) / 180;
export const degrees = (radians) => (radians * 180) / Math.PI;

export const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

export const IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0, 1];

/** A rotation of a vector. */
export const apply = (m, v) => [
  m[0] * v[0] + m[1] * v[1] + m[2] * v[2],
  m[3] * v[0] + m[4] * v[1] + m[5] * v[2],
  m[6] * v[0] + m[7] * v[1] + m[8] * v[2],
];

/** The rotation a after the rotation b. */
export function product(a, b) {
  const result = new Array(9);
  for (let row = 0; row < 9; row += 3)
    for (let column = 0; column < 3; column++)
      result[row + column] = a[row] * b[column] + a[row + 1] * b[column + 3] + a[row + 2] * b[column + 6];
  return result;
}

/** A rotation's inverse. */
export const inverse = (m) => [m[0], m[3], m[6], m[1], m[4], m[7], m[2], m[5], m[8]];

/** The rotation about a rotation vector, radians: Rodrigues' formula, as `rotations.py` has it. */
export function rotation(vector) {
  const angle = length(vector);
  const first = angle < 1e-6 ? 1 - angle ** 2 / 6 : Math.sin(angle) / angle;
  const second = angle < 1e-6 ? 0.5 - angle ** 2 / 24 : (1 - Math.cos(angle)) / angle ** 2;
  const [x, y, z] = vector;
  const k = [0, -z, y, z, 0, -x, -y, x, 0];
  const squared = product(k, k);
  return IDENTITY.map((one, place) => one + first * k[place] + second * squared[place]);
}

/** The rotation vector, up to half a turn long, of a rotation. */
export function rotationVector(m) {
  const trace = m[0] + m[4] + m[8];
  const squares = [1 + trace, 1 - trace + 2 * m[0], 1 - trace + 2 * m[4], 1 - trace + 2 * m[8]];
  // From the largest of the quaternion's four squares: half a turn has no antisymmetric part.
  const rows = [
    [squares[0], m[7] - m[5], m[2] - m[6], m[3] - m[1]],
    [m[7] - m[5], squares[1], m[1] + m[3], m[2] + m[6]],
    [m[2] - m[6], m[1] + m[3], squares[2], m[5] + m[7]],
    [m[3] - m[1], m[2] + m[6], m[5] + m[7], squares[3]],
  ];
  const row = rows[squares.indexOf(Math.max(...squares))];
  const sign = row[0] < 0 ? -1 : 1;
  const imaginary = [row[1] * sign, row[2] * sign, row[3] * sign];
  const sine = length(imaginary);
  return times(imaginary, sine < 1e-12 ? 0 : (2 * Math.atan2(sine, row[0] * sign)) / sine);
}

/** The shortest rotation that takes one direction to another. */
export function swing(from, to) {
  const axis = cross(from, to);
  const sine = length(axis);
  if (sine < 1e-12) return IDENTITY;
  return rotation(times(axis, Math.atan2(sine, dot(from, to)) / sine));
}
