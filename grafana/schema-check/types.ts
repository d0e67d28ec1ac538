// What a dashboard of ours may be, put together from the types that Grafana publishes: the classic dashboard and the
// options of each kind of panel from @grafana/schema, the query of the Prometheus data source from the foundation SDK.

import type * as schema from "@grafana/schema";
import type * as heatmap from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as states from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type * as timeseries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
import type { Dataquery } from "@grafana/grafana-foundation-sdk/prometheus";

/** The JSON of a type: an enum is any of its values, at every depth, and what may be anything stays so. */
export type Json<T> = 0 extends 1 & T
  ? unknown
  : T extends string
    ? `${T}`
    : T extends number
      ? `${T}` extends `${infer N extends number}`
        ? N
        : number
      : T extends (infer U)[]
        ? Json<U>[]
        : T extends object
          ? { [K in keyof T]: Json<T[K]> }
          : T;

/** Without what stands for "any other field too": a field that no type names is a mistake. */
type Named<T> = { [K in keyof T as string extends K ? never : K]: T[K] };

type Query = Omit<Dataquery, "_implementsDataqueryVariant" | "refId"> & { refId: string };

/** Links of a field have no published type; these are the fields that Grafana's documentation names. */
type FieldLink = { title: string; url: string; targetBlank: boolean };

/** Each kind of panel: its name, its options, and how it draws a field. */
type Kind<Type extends string, Options, Custom> = Omit<schema.Panel, "type" | "options" | "targets" | "fieldConfig"> & {
  type: Type;
  title: string;
  description: string;
  options: Options;
  targets: Query[];
  fieldConfig: {
    defaults: Omit<Named<schema.FieldConfig>, "custom" | "links"> & {
      unit: string;
      noValue: string;
      custom: Custom;
      links: FieldLink[];
    };
    overrides: schema.FieldConfigSource["overrides"];
  };
};

export type Row = Json<schema.RowPanel>;
export type Stat = Json<Kind<"stat", stat.Options, Record<string, never>>>;
export type TimeSeries = Json<Kind<"timeseries", timeseries.Options, Named<timeseries.FieldConfig>>>;
export type Heatmap = Json<Kind<"heatmap", heatmap.Options, Named<heatmap.FieldConfig>>>;
export type Table = Json<Kind<"table", table.Options, Named<table.FieldConfig>>>;
export type StateTimeline = Json<Kind<"state-timeline", states.Options, Named<states.FieldConfig>>>;

/** An annotation of the Prometheus data source has fields of its own, which no type names. */
type Annotation = Omit<schema.AnnotationQuery, "target"> & {
  target?: Omit<Query, "format">;
  titleFormat?: string;
  tagKeys?: string;
};

export type Dashboard = Json<
  Omit<schema.Dashboard, "panels" | "annotations"> & { annotations: { list: Annotation[] } }
>;
