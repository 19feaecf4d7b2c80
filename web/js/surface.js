/**
 * The surface of a body: `mesh.json`'s vertices, shaped, dressed and posed as the node does it.
 */

import { cross } from "./linear.js";

const KINDS = { u1: Uint8Array, i1: Int8Array, u2: Uint16Array, i2: Int16Array };
const PACKED = { faces: "u2", places: "i2", changes: "i1", bones: "u1", weights: "u2" };

/**
 * What `mesh.json` says, as arrays: metres, weights that sum to 1, four bones a vertex. `own` are meshes of garments that
 * have one, each with its `garment`'s number.
 */
export function unpacked(file) {
  const { garments, outfit, offset, own } = file;
  return {
    ...meshOf(file),
    offsets: Float32Array.from(numbers(file.offsets, KINDS.u1), (value) => value * offset),
    garments,
    outfit,
    own: own.map((one) => ({ ...openMesh(one), garment: one.garment })),
  };
}

/** Its inside is seen too: the same triangles the other way round. */
function openMesh(file) {
  const mesh = meshOf(file);
  return { ...mesh, inside: Uint16Array.from(mesh.faces).reverse() };
}

function meshOf(file) {
  const raw = Object.fromEntries(Object.entries(PACKED).map(([name, kind]) => [name, numbers(file[name], KINDS[kind])]));
  const { units } = file;
  return {
    count: raw.places.length / 3,
    faces: raw.faces,
    places: Float32Array.from(raw.places, (value) => value * units.place),
    changes: units.changes.map((unit, term) => {
      const size = raw.places.length;
      return Float32Array.from(raw.changes.subarray(term * size, (term + 1) * size), (value) => value * unit);
    }),
    bones: raw.bones,
    weights: Float32Array.from(raw.weights, (value) => value / 65535),
  };
}

function numbers(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Kind(bytes.buffer);
}

/** Vertices at rest of the bare body for a shape's weights by term, metres, `[3 V]`. */
export function bareSurface(mesh, weights) {
  const result = Float32Array.from(mesh.places);
  weights.forEach((weight, term) => {
    if (weight) for (let at = 0; at < result.length; at++) result[at] += weight * mesh.changes[term][at];
  });
  return result;
}

/** Numbers of the garments that are worn, by slot as in the JSON; what is not named is as usual. */
export function garmentsWorn(mesh, clothes) {
  const worn = { ...mesh.outfit, ...clothes };
  return mesh.garments.flatMap(([slot, cut], number) => (worn[slot] === cut ? [number] : []));
}

/** The same with clothes on, by slot; what is not named is as usual. */
export function dressedSurface(mesh, bare, clothes) {
  const numbersWorn = garmentsWorn(mesh, clothes);
  const normals = vertexNormals(mesh, bare);
  const result = Float32Array.from(bare);
  for (let vertex = 0; vertex < mesh.count; vertex++) {
    const off = Math.max(0, ...numbersWorn.map((number) => mesh.offsets[number * mesh.count + vertex]));
    for (let axis = 0; axis < 3; axis++) result[3 * vertex + axis] += off * normals[3 * vertex + axis];
  }
  return result;
}

/** Vertices at rest carried into a pose: linear blend skinning. `rest` are the joints there. */
export function skinned(mesh, surface, rest, pose) {
  const moves = pose.joints.map((joint, number) => {
    const turn = pose.rotations[number];
    const [x, y, z] = rest[number];
    return [
      ...turn,
      joint[0] - turn[0] * x - turn[1] * y - turn[2] * z,
      joint[1] - turn[3] * x - turn[4] * y - turn[5] * z,
      joint[2] - turn[6] * x - turn[7] * y - turn[8] * z,
    ];
  });
  const result = new Float32Array(surface.length);
  for (let vertex = 0; vertex < mesh.count; vertex++) {
    const [x, y, z] = [surface[3 * vertex], surface[3 * vertex + 1], surface[3 * vertex + 2]];
    for (let slot = 4 * vertex; slot < 4 * vertex + 4; slot++) {
      const weight = mesh.weights[slot];
      if (!weight) continue;
      const m = moves[mesh.bones[slot]];
      result[3 * vertex] += weight * (m[0] * x + m[1] * y + m[2] * z + m[9]);
      result[3 * vertex + 1] += weight * (m[3] * x + m[4] * y + m[5] * z + m[10]);
      result[3 * vertex + 2] += weight * (m[6] * x + m[7] * y + m[8] * z + m[11]);
    }
  }
  return result;
}

/** Unit normals of vertices, outwards, `[3 V]`; of large triangles more than of small ones. */
export function vertexNormals(mesh, places) {
  const result = new Float32Array(places.length);
  const at = (vertex) => [places[3 * vertex], places[3 * vertex + 1], places[3 * vertex + 2]];
  for (let corner = 0; corner < mesh.faces.length; corner += 3) {
    const face = mesh.faces.subarray(corner, corner + 3);
    const [a, b, c] = [at(face[0]), at(face[1]), at(face[2])];
    const normal = cross([b[0] - a[0], b[1] - a[1], b[2] - a[2]], [c[0] - a[0], c[1] - a[1], c[2] - a[2]]);
    for (const vertex of face) for (let axis = 0; axis < 3; axis++) result[3 * vertex + axis] += normal[axis];
  }
  for (let vertex = 0; vertex < result.length; vertex += 3) {
    const long = Math.hypot(result[vertex], result[vertex + 1], result[vertex + 2]) || 1;
    for (let axis = 0; axis < 3; axis++) result[vertex + axis] /= long;
  }
  return result;
}
