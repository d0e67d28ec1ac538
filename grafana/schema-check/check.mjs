// Holds every dashboard to the types that Grafana publishes: writes each one as a TypeScript value of its type and has
// the compiler judge it. A field that Grafana does not know, a wrong value and a missing field are errors.
//
// usage: node check.mjs [DIR]     DIR: where the dashboards are; ../dashboards without it

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const dashboards = resolve(process.argv[2] ?? join(here, "..", "dashboards"));
const generated = join(here, "generated");

/** The type of each kind of panel, in types.ts. */
const TYPES = {
  row: "Row",
  stat: "Stat",
  timeseries: "TimeSeries",
  heatmap: "Heatmap",
  table: "Table",
  "state-timeline": "StateTimeline",
};

/** The dashboard as values: each panel one of its own type, so that the compiler names what is wrong in it. */
function values(name, { panels, ...dashboard }) {
  const lines = ['import type * as t from "../types.js";', "", value("Dashboard", dashboard, name)];
  for (const panel of panels) {
    const type = TYPES[panel.type];
    if (type === undefined) throw new Error(`${name}: no type for a panel of kind ${panel.type}`);
    lines.push(value(type, panel, panel.title));
  }
  return lines.join("\n");
}

function value(type, json, title) {
  return `/* ${title} */\n({ value: ${JSON.stringify(json, null, 2)} }) satisfies { value: t.${type} };\n`;
}

rmSync(generated, { recursive: true, force: true });
mkdirSync(generated);
const files = readdirSync(dashboards).filter((file) => file.endsWith(".json"));
if (files.length === 0) throw new Error(`no dashboard in ${dashboards}`);
for (const file of files) {
  const name = file.replace(/\.json$/, "");
  writeFileSync(join(generated, `${name}.ts`), values(name, JSON.parse(readFileSync(join(dashboards, file), "utf8"))));
}

try {
  execFileSync(process.execPath, [join(here, "node_modules", "typescript", "bin", "tsc"), "--project", here], {
    stdio: "inherit",
  });
} catch {
  console.error("a dashboard is not what Grafana's published types say");
  process.exit(1);
}
const { version } = JSON.parse(readFileSync(join(here, "node_modules", "@grafana", "schema", "package.json"), "utf8"));
console.log(`${files.length} dashboards are as @grafana/schema ${version} says`);
