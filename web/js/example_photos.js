/**
 * Photos and poses of the shared graphs: a graph that names one which is not in ComfyUI's input folder brings it there,
 * from the pack's own folder, as if it had been dropped onto the node.
 */

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

const KINDS = ["LoadImage", "MannequinLoadPose"];
const NAME = /^mannequin_\w+\.(png|jpg|json)$/;
/** The host serves the graphs' folder under the name of the pack's, which also begins this file's address. */
const PACK = new URL(import.meta.url).pathname.match(/\/extensions\/([^/]+)\//)?.[1];

app.registerExtension({
  name: "Mannequin.ExamplePhotos",
  async afterConfigureGraph() {
    const missing = missingIn(app.graph.nodes ?? []);
    await Promise.all([...new Set(missing.map((widget) => widget.value))].map((name) => bring(name, missing)));
  },
});

/** Widgets that name an example which the server did not list. */
function missingIn(nodes) {
  const widgets = nodes.filter((node) => KINDS.includes(node.comfyClass)).flatMap((node) => node.widgets ?? []);
  return widgets.filter(({ value, options }) => {
    return typeof value === "string" && NAME.test(value) && Array.isArray(options?.values) && !options.values.includes(value);
  });
}

/** The graph is opened all the same where this fails: its node says that the file is not there. */
async function bring(name, widgets) {
  try {
    const answer = await api.fetchApi(`/workflow_templates/${PACK}/inputs/${name}`);
    // A photo of the user's with a name like ours.
    if (answer.status === 404) return;
    const body = new FormData();
    body.append("image", new File([await sound(answer).blob()], name));
    sound(await api.fetchApi("/upload/image", { method: "POST", body }));
  } catch (error) {
    console.warn(`Mannequin: ${name} cannot be put into the input folder.`, error);
    return;
  }
  for (const widget of widgets.filter(({ value }) => value === name)) {
    if (!widget.options.values.includes(name)) widget.options.values.push(name);
    // Shows the picture on the node.
    widget.callback?.(name);
  }
}

function sound(answer) {
  if (!answer.ok) throw new Error(`${answer.url}: ${answer.status} ${answer.statusText}`);
  return answer;
}
