//! Each panel can be read by who sees it for the first time.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{list, panels, promql, text};

#[test]
fn every_panel_says_what_it_shows_and_what_an_empty_answer_means() {
    for (name, panel) in panels() {
        assert!(text(&panel["description"]).len() > 10, "{name}: no description");
        assert!(text(&panel["description"]).ends_with('.'), "{name}: its description is no sentence");
        assert!(text(&panel["fieldConfig"]["defaults"]["noValue"]).len() > 5, "{name}: no text for no data");
    }
}

#[test]
fn every_panel_and_every_column_of_a_table_has_a_unit() {
    for (name, panel) in panels() {
        let unit = text(&panel["fieldConfig"]["defaults"]["unit"]);
        assert!(!unit.is_empty(), "{name}: no unit");
        if panel["type"] == "heatmap" {
            assert_eq!(panel["options"]["yAxis"]["unit"], unit, "{name}");
        }
        if panel["type"] == "table" {
            for column in list(&panel["fieldConfig"]["overrides"]) {
                let units = list(&column["properties"]).iter().filter(|one| one["id"] == "unit").count();
                assert_eq!(units, 1, "{name}: column {}", column["matcher"]["options"]);
            }
        }
    }
}

#[test]
fn the_unit_goes_with_the_metric() {
    let of_name = |metric: &str| -> Option<&[&str]> {
        if metric.ends_with("_timestamp_seconds") || metric.ends_with("_seconds_bucket") {
            Some(&["s"])
        } else if metric.ends_with("_bytes") || metric.ends_with("_bytes_bucket") {
            Some(&["bytes"])
        } else if metric.ends_with("_bytes_total") {
            Some(&["Bps"])
        } else if metric.ends_with("_cpu_seconds_total") {
            Some(&["suffix:cores"])
        } else {
            None
        }
    };
    for (name, panel) in panels() {
        if panel["type"] == "table" || panel["title"] == "Services" {
            continue;
        }
        for target in list(&panel["targets"]) {
            for selector in promql::read(text(&target["expr"])).selectors {
                if let Some(units) = of_name(&selector.metric) {
                    let unit = text(&panel["fieldConfig"]["defaults"]["unit"]);
                    assert!(units.contains(&unit), "{name}: {} in {unit}", selector.metric);
                }
            }
        }
    }
}

#[test]
fn every_series_has_a_legend_made_of_labels_that_it_has() {
    for (name, panel) in panels() {
        let targets = list(&panel["targets"]);
        assert!(!targets.is_empty(), "{name}: asks nothing");
        for target in targets.iter().filter(|target| target["format"] != "table") {
            let legend = text(&target["legendFormat"]);
            assert!(!legend.is_empty() && legend != "__auto", "{name}: no legend");
            let query = promql::read(text(&target["expr"]));
            for label in legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
                let grouped = query.groupings.iter().any(|one| one == label);
                let level = query.selectors.iter().any(|one| one.metric.starts_with(&format!("{label}:")));
                assert!(grouped || level, "{name}: the series have no {label}");
            }
        }
    }
}

#[test]
fn series_of_one_panel_can_be_told_apart() {
    for (name, panel) in panels() {
        let mut legends: Vec<&str> = list(&panel["targets"])
            .iter()
            .filter(|target| target["format"] != "table")
            .map(|target| text(&target["legendFormat"]))
            .collect();
        let all = legends.len();
        legends.sort_unstable();
        legends.dedup();
        assert_eq!(legends.len(), all, "{name}: two queries have one legend");
    }
}

#[test]
fn every_column_of_a_table_shows_a_label_or_the_answer_of_one_of_its_queries() {
    for (name, panel) in panels() {
        let Some(steps) = panel.get("transformations") else { continue };
        let queries = list(&panel["targets"]);
        let kept = list(&list(steps)[1]["options"]["include"]["names"]);
        let shown = |field: &str| kept.iter().any(|one| one == field);
        for query in queries {
            let field = format!("Value #{}", text(&query["refId"]));
            let alone = queries.len() == 1;
            let is_value = shown(&field) || alone;
            assert!(is_value, "{name}: the answer of {field} is not shown");
        }
        let distinct: BTreeSet<&str> = kept.iter().map(text).collect();
        assert_eq!(distinct.len(), kept.len(), "{name}: two columns show the same");
        for field in kept.iter().map(text).filter(|field| field.starts_with("Value #")) {
            let asked = queries.iter().any(|query| field.ends_with(text(&query["refId"])));
            assert!(asked, "{name}: nothing answers {field}");
        }
    }
}

#[test]
fn every_flag_named_is_one_that_there_is() {
    let readme = crate::read("README.md");
    let is_flag = |c: char| c.is_ascii_lowercase() || c == '_';
    let flags = |text: &str| -> BTreeSet<String> {
        let rest = text.split("--").skip(1);
        rest.map(|rest| rest.chars().take_while(|c| is_flag(*c)).collect())
            .filter(|flag: &String| !flag.is_empty())
            .collect()
    };
    let known = flags(&readme);
    assert!(known.len() > 20, "the table of settings was not understood");
    for (name, panel) in panels() {
        for flag in crate::strings(&panel).into_iter().flat_map(flags) {
            assert!(known.contains(&flag), "{name}: there is no --{flag}");
        }
    }
}

#[test]
fn a_heat_map_gets_buckets_and_nothing_else_does() {
    let is_heatmap = |panel: &Value| panel["type"] == "heatmap";
    for (name, panel) in panels() {
        for target in list(&panel["targets"]) {
            assert_eq!(target["format"] == "heatmap", is_heatmap(&panel), "{name}");
        }
    }
}
