//! The rules of `observability/prometheus/rules`, as far as our checks need them.

use crate::{at, promql};

/// A recording rule or an alert.
#[derive(Debug, Default)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) is_alert: bool,
    pub(crate) expr: String,
    /// The dashboard that the alert leads to.
    pub(crate) dashboard: Option<String>,
    /// The variables that it sets there.
    pub(crate) choices: Vec<String>,
}

impl Rule {
    /// Numbers that a comparison of the expression has on its right.
    pub(crate) fn limits(&self) -> Vec<f64> {
        let after = |part: &str| -> Option<f64> {
            part.trim_start_matches(['=', ' ']).split([' ', ')', '\n']).next()?.parse().ok()
        };
        self.expr.split(['>', '<']).skip(1).filter_map(after).collect()
    }

    /// The labels of a recorded series, by the level in its name: `queue:…` has `queue`.
    pub(crate) fn labels(&self) -> Vec<String> {
        promql::read(&self.expr).groupings
    }
}

/// All rules. The files are read as our own layout has them: a key a line.
pub(crate) fn all() -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for file in std::fs::read_dir(at("observability/prometheus/rules")).expect("there are rules") {
        let text = std::fs::read_to_string(file.expect("it can be listed").path()).expect("it can be read");
        let mut in_expr = false;
        for line in text.lines().map(str::trim) {
            let (key, value) = line.trim_start_matches("- ").split_once(": ").unwrap_or((line, ""));
            match key.trim_end_matches(':') {
                "record" | "alert" => {
                    let (name, is_alert) = (value.to_owned(), key == "alert");
                    rules.push(Rule { name, is_alert, ..Rule::default() });
                    in_expr = false;
                }
                "expr" => {
                    in_expr = true;
                    let rule = rules.last_mut().expect("an expression follows a name");
                    value.trim_matches('|').clone_into(&mut rule.expr);
                }
                "for" | "labels" | "annotations" | "keep_firing_for" => in_expr = false,
                "dashboard_url" => {
                    let uid =
                        value.split("/d/").nth(1).and_then(|rest| rest.split(['?', '"', '/', '{']).next());
                    let rule = rules.last_mut().expect("it follows a name");
                    rule.dashboard = uid.map(str::to_owned);
                    let choices = value.split("var-").skip(1).filter_map(|rest| rest.split('=').next());
                    rule.choices = choices.map(str::to_owned).collect();
                }
                _ if in_expr && !line.starts_with('#') => {
                    let expr = &mut rules.last_mut().expect("it follows a name").expr;
                    *expr = format!("{expr}\n{line}");
                }
                _ => {}
            }
        }
    }
    assert!(rules.iter().any(|rule| rule.is_alert), "the rules were not understood");
    rules
}
