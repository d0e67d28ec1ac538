//! As much of the query language as our checks need: which series are selected, within what, and by which labels.

/// An expression, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) selectors: Vec<Selector>,
    /// Labels that an aggregation or a join keeps.
    pub(crate) groupings: Vec<String>,
}

/// Series of one metric.
#[derive(Debug)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) range: Option<String>,
    /// Functions and aggregations around it, the innermost last.
    pub(crate) within: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Matcher {
    pub(crate) label: String,
    pub(crate) operator: String,
    pub(crate) value: String,
}

impl Selector {
    /// The aggregation next to it.
    pub(crate) fn aggregation(&self) -> Option<&str> {
        self.within.iter().rev().map(String::as_str).find(|name| AGGREGATIONS.contains(name))
    }
}

const AGGREGATIONS: [&str; 9] =
    ["sum", "max", "min", "avg", "count", "group", "topk", "bottomk", "count_values"];
const OPERATORS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "atan2"];

/// Takes an expression apart.
pub(crate) fn read(expr: &str) -> Read {
    let tokens = tokens(expr);
    let mut read = Read::default();
    let mut open: Vec<String> = Vec::new();
    let mut opening = String::new();
    let mut place = 0;
    while let Some(token) = tokens.get(place) {
        let next = tokens.get(place + 1).map_or("", String::as_str);
        place += 1;
        match token.as_str() {
            "(" => open.push(std::mem::take(&mut opening)),
            ")" => drop(open.pop()),
            "{" => {
                let matchers = matchers(&tokens[place..]);
                place += matchers.len() * 4;
                read.selectors.last_mut().expect("braces follow a metric").matchers = matchers;
            }
            "[" => {
                let end = place + tokens[place..].iter().position(|one| one == "]").expect("a range ends");
                let selector = read.selectors.last_mut().expect("a range follows a metric");
                selector.range = Some(tokens[place..end].concat());
                place = end;
            }
            "by" | "on" | "group_left" | "group_right" | "ignoring" | "without" => {
                let end = place + tokens[place..].iter().position(|one| one == ")").expect("labels end");
                if matches!(token.as_str(), "by" | "group_left" | "group_right") {
                    let labels = tokens[place + 1..end].iter().filter(|one| *one != ",");
                    read.groupings.extend(labels.cloned());
                }
                place = end + 1;
            }
            word if is_word(word) && !OPERATORS.contains(&word) => {
                if next == "(" || next == "by" {
                    opening = word.to_owned();
                } else {
                    let within = open.iter().filter(|name| !name.is_empty()).cloned().collect();
                    let metric = word.to_owned();
                    read.selectors.push(Selector { metric, matchers: Vec::new(), range: None, within });
                }
            }
            _ => {}
        }
    }
    read
}

/// `label operator value` with a comma or the closing brace after each.
fn matchers(tokens: &[String]) -> Vec<Matcher> {
    let end = tokens.iter().position(|one| one == "}").expect("braces are closed");
    let each = tokens[..end].chunks(4).map(|one| Matcher {
        label: one[0].clone(),
        operator: one[1].clone(),
        value: one[2].trim_matches('"').to_owned(),
    });
    each.collect()
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

fn tokens(expr: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = expr.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => rest[1..].find('"').expect("strings end") + 2,
            '=' | '!' | '<' | '>' => rest.find(|one| !"=!<>~".contains(one)).unwrap_or(rest.len()),
            first if is_part(first) => rest.find(|one| !is_part(one)).unwrap_or(rest.len()),
            other => other.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token.to_owned());
        rest = after.trim_start();
    }
    tokens
}

fn is_part(one: char) -> bool {
    one.is_ascii_alphanumeric() || "_:.$".contains(one)
}

#[test]
fn an_expression_is_taken_apart() {
    let read = read(
        "sum by (a) (max by (a, b) (x{c=~\"1|2\", d!=\"e\"} > 0)) / on (a) rate(y_total[5m]) or vector(0)",
    );
    assert_eq!(read.groupings, ["a", "a", "b"]);
    let [x, y] = &read.selectors[..] else { panic!("{read:?}") };
    assert_eq!((x.metric.as_str(), x.aggregation()), ("x", Some("max")));
    assert_eq!((x.matchers[1].label.as_str(), x.matchers[1].value.as_str()), ("d", "e"));
    assert_eq!((y.metric.as_str(), y.range.as_deref(), y.aggregation()), ("y_total", Some("5m"), None));
}
