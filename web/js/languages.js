/**
 * The pack's words in the user's language, in front ends that lose them.
 *
 * Front ends such as 1.32 read the languages of all packs first and then load their own, in place of them: what is not
 * the host's stays English. Here they are given once more, as the front end takes them itself. Newer ones have them.
 */

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

/** Any node of the pack's. */
const NODE = "MannequinDetectPose";
/** How long a language may take that the front end has begun to load, in milliseconds. */
const [LONGEST, PAUSE] = [1000, 50];

app.registerExtension({
  name: "Mannequin.Languages",
  // Before the nodes are registered under their names.
  async init() {
    try {
      const language = app.extensionManager?.setting?.get("Comfy.Locale");
      const all = language && translations();
      if (all) await complete(all, language);
    } catch (error) {
      console.warn("Mannequin: its names stay English.", error);
    }
  },
});

/** The front end's words by language; nothing where they are kept elsewhere. */
function translations() {
  const page = document.getElementById("vue-app")?.__vue_app__;
  return page?._context?.provides?.[page.__VUE_I18N_SYMBOL__]?.global;
}

async function complete(all, language) {
  const words = () => all.getLocaleMessage(language);
  // "g" is the front end's own, and what it loads takes the place of what is there.
  for (let waited = 0; !words().g && waited < LONGEST; waited += PAUSE) {
    await new Promise((go) => setTimeout(go, PAUSE));
  }
  if (words().nodeDefs?.[NODE]) return;
  const answer = await api.fetchApi("/i18n");
  if (answer.ok) all.mergeLocaleMessage(language, (await answer.json())[language] ?? {});
}
