//! Links lead to what exists.

use std::collections::BTreeMap;

use distrack_dashboards::{Alert, dashboards, folder};
use serde_json::Value;

use crate::rules::{self, Rule};
use crate::{at, list, panels, read, strings, text};

/// Every dashboard by its uid.
fn boards() -> BTreeMap<String, Value> {
    dashboards().iter().map(|dashboard| (dashboard.uid().to_owned(), dashboard.json())).collect()
}

fn alerts() -> BTreeMap<String, Rule> {
    rules::all().into_iter().filter(|rule| rule.is_alert).map(|rule| (rule.name.clone(), rule)).collect()
}

/// Each alert that a panel shows, with the dashboard and the panel's title.
fn shown() -> Vec<(&'static str, String, Alert, Vec<f64>)> {
    let mut shown = Vec::new();
    for dashboard in dashboards() {
        for panel in dashboard.panels() {
            let limits: Vec<f64> = panel.limits().collect();
            let of_panel = panel.alerts().iter();
            shown.extend(
                of_panel.map(|one| (dashboard.uid(), panel.title().to_owned(), *one, limits.clone())),
            );
        }
    }
    shown
}

#[test]
fn every_link_between_dashboards_leads_to_one_that_offers_the_choice_it_makes() {
    let boards = boards();
    let mut seen = 0;
    for (name, panel) in panels() {
        for url in strings(&panel).into_iter().filter_map(|one| one.strip_prefix("/d/")) {
            seen += 1;
            let (uid, choices) = url.split_once('?').expect("a link carries the time");
            let board = boards.get(uid).unwrap_or_else(|| panic!("{name}: there is no {uid}"));
            assert!(choices.contains("${__url_time_range}"), "{name}: the time is lost");
            let offered = list(&board["templating"]["list"]);
            for choice in choices.split('&').filter_map(|one| one.strip_prefix("var-")) {
                let (variable, _) = choice.split_once('=').expect("a choice has a value");
                assert!(offered.iter().any(|one| one["name"] == variable), "{name}: {uid} has no {variable}");
            }
        }
    }
    assert!(seen > 20, "hardly any panel leads on");
}

#[test]
fn every_dashboard_leads_to_all_others_with_time_and_choices() {
    for (uid, board) in boards() {
        let link = &list(&board["links"])[0];
        assert_eq!(
            (&link["includeVars"], &link["keepTime"]),
            (&Value::Bool(true), &Value::Bool(true)),
            "{uid}"
        );
        assert_eq!(link["tags"], board["tags"], "{uid}");
    }
}

#[test]
fn every_alert_that_a_panel_shows_exists_and_its_limit_is_the_one_drawn() {
    let alerts = alerts();
    for (uid, title, alert, drawn) in shown() {
        let rule = alerts.get(alert.name()).unwrap_or_else(|| panic!("{uid}, {title}: no {}", alert.name()));
        if let Some(limit) = alert.limit() {
            assert!(
                rule.limits().contains(&limit),
                "{uid}, {title}: {} does not fire at {limit}",
                alert.name()
            );
            assert!(drawn.contains(&limit), "{uid}, {title}: {limit} is not drawn");
        }
    }
}

#[test]
fn every_alert_is_shown_on_the_dashboard_that_it_leads_to_with_the_choices_it_makes() {
    let (shown, boards) = (shown(), boards());
    for (name, rule) in alerts() {
        let uid = rule.dashboard.unwrap_or_else(|| panic!("{name} leads to no dashboard"));
        let there = shown.iter().any(|(board, _, alert, _)| *board == uid && alert.name() == name);
        assert!(there, "{name} leads to {uid}, where no panel shows it");
        let offered = list(&boards[&uid]["templating"]["list"]);
        for choice in rule.choices {
            assert!(offered.iter().any(|one| one["name"] == choice), "{name}: {uid} has no {choice}");
        }
    }
}

#[test]
fn every_panel_with_an_alert_leads_to_its_runbook() {
    let links = |panel: &Value| strings(panel).into_iter().map(str::to_owned).collect::<Vec<_>>();
    for dashboard in dashboards() {
        let json = dashboard.json();
        for panel in dashboard.panels() {
            let drawn = list(&json["panels"]).iter().find(|one| one["title"] == panel.title());
            let links = links(&drawn.expect("it is drawn")["links"]);
            for alert in panel.alerts() {
                assert!(links.contains(&alert.runbook()), "{}: {}", panel.title(), alert.name());
                let page = alert.runbook();
                let page =
                    page.rsplit_once("/blob/main/").expect("it is a file of the repository").1.to_owned();
                assert!(at(&page).is_file(), "{}: there is no {page}", alert.name());
            }
        }
    }
}

#[test]
fn the_provisioned_data_source_is_the_one_that_dashboards_ask_first() {
    let sources = read("grafana/provisioning/datasources/distrack.yaml");
    for (uid, board) in boards() {
        let variable = &list(&board["templating"]["list"])[0];
        let first = text(&variable["current"]["value"]);
        assert!(sources.contains(&format!("uid: {first}\n")), "{uid}: no data source is called {first}");
    }
    assert!(folder().is_dir());
}
