// Run in the front end's page after a workflow was opened: what of the file did not arrive in the graph.
(saved) => {
  const graph = window.app.graph;
  const name = (node) => `${node.id} ${node.type}`;
  const slotName = (slot, index) => (slot ? slot.name : `slot ${index}`);
  const read = (link) => {
    if (!Array.isArray(link)) return link;
    const [id, origin_id, origin_slot, target_id, target_slot] = link;
    return { id, origin_id, origin_slot, target_id, target_slot };
  };

  const unknown = graph.nodes.filter((node) => !LiteGraph.registered_node_types[node.type]);

  const lostLinks = [];
  for (const link of (saved.links ?? []).map(read)) {
    const origin = graph.getNodeById(link.origin_id);
    const target = graph.getNodeById(link.target_id);
    const output = origin?.outputs?.[link.origin_slot];
    const input = target?.inputs?.find((entry) => entry.link === link.id);
    const fits = output && input && LiteGraph.isValidConnection(output.type, input.type);
    if (!fits || !graph.links.has(link.id)) {
      const from = origin ? `${name(origin)} ${slotName(output, link.origin_slot)}` : `${link.origin_id} (no node)`;
      const to = target ? `${name(target)} ${slotName(input, link.target_slot)}` : `${link.target_id} (no node)`;
      lostLinks.push(`${link.id} from ${from} to ${to}`);
    }
  }

  const unconnected = [];
  const badValues = [];
  for (const node of graph.nodes) {
    // Muted and bypassed nodes are not asked for anything.
    if (node.mode === 2 || node.mode === 4) continue;
    const required = node.constructor.nodeData?.input?.required ?? {};
    for (const input of node.inputs ?? []) {
      if (input.name in required && !input.widget && input.link == null) unconnected.push(`${name(node)} ${input.name}`);
    }
    const offered = (node.properties?.models ?? []).map((model) => model.name);
    for (const widget of node.widgets ?? []) {
      const values = widget.type === "combo" ? widget.options?.values : null;
      const linked = (node.inputs ?? []).some((input) => input.widget?.name === widget.name && input.link != null);
      if (Array.isArray(values) && !linked && ![...values, ...offered].includes(widget.value)) {
        badValues.push(`${name(node)} ${widget.name} = ${widget.value}`);
      }
    }
  }

  return {
    nodes: graph.nodes.length,
    unknown: unknown.map(name),
    lost_links: lostLinks,
    unconnected,
    bad_values: badValues,
  };
};
