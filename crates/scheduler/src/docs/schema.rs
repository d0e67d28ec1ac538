//! Types: how a schema is named in a table, and the section of each type that has a name.

use serde_json::Value;

use super::html::{escape, line, paragraphs};

/// How a schema is named where it is used; a named one is a link.
pub(super) fn name_of(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = escape(reference.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#type-{name}\">{name}</a>");
    }
    let choices = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array());
    if let Some(choices) = choices {
        return join(choices.iter().map(name_of));
    }
    let names = match &schema["type"] {
        Value::Array(types) => join(types.iter().filter_map(Value::as_str).map(|name| one(name, schema))),
        Value::String(name) => one(name, schema),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => "any".to_owned(),
    };
    match schema["format"].as_str() {
        Some(format) if !matches!(format, "int32" | "int64" | "double") => {
            format!("{names} <small>{}</small>", escape(format))
        }
        _ => names,
    }
}

fn one(name: &str, schema: &Value) -> String {
    match name {
        "array" => format!("array of {}", name_of(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("map to {}", name_of(&schema["additionalProperties"]))
        }
        other => escape(other),
    }
}

fn join(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(" or ")
}

/// What a schema permits, in words.
fn limits_of(schema: &Value) -> String {
    const LIMITS: [(&str, &str); 6] = [
        ("minimum", "from"),
        ("maximum", "to"),
        ("minLength", "length from"),
        ("maxLength", "length to"),
        ("minItems", "items from"),
        ("maxItems", "items to"),
    ];
    let mut words = Vec::new();
    if let Some(values) = schema["enum"].as_array() {
        let values = values.iter().filter_map(Value::as_str);
        let values: Vec<String> = values.map(|value| format!("<code>{}</code>", escape(value))).collect();
        words.push(format!("one of {}", values.join(", ")));
    }
    for (key, word) in LIMITS {
        if !schema[key].is_null() {
            words.push(format!("{word} {}", escape(&plain(&schema[key]))));
        }
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        words.push(format!("<code>{}</code>", escape(pattern)));
    }
    if !schema["default"].is_null() {
        words.push(format!("default <code>{}</code>", escape(&plain(&schema["default"]))));
    }
    if words.is_empty() { String::new() } else { format!("<br><small>{}</small>", words.join(" · ")) }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What a field means, said of it or of the one type that it is unless it is null.
fn description_of(schema: &Value) -> &str {
    let own = schema["description"].as_str();
    let choices = ["oneOf", "anyOf", "allOf"].into_iter().flat_map(|kind| schema[kind].as_array()).flatten();
    own.or_else(|| choices.into_iter().find_map(|choice| choice["description"].as_str())).unwrap_or_default()
}

/// A row for a field or a parameter.
pub(super) fn row(name: &str, place: &str, required: bool, schema: &Value, description: &str) -> String {
    let mark = if required { " <b>required</b>" } else { "" };
    let place = if place.is_empty() { String::new() } else { format!("<br><small>{place}</small>") };
    let text = if description.is_empty() { description_of(schema) } else { description };
    format!(
        "<tr><td><code>{}</code>{mark}{place}<td>{}<td>{}{}</tr>",
        escape(name),
        name_of(schema),
        line(text),
        limits_of(schema)
    )
}

/// A table of a type's fields.
pub(super) fn fields(schema: &Value) -> String {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let rows = properties.map(|(name, field)| row(name, "", required.contains(&name.as_str()), field, ""));
    let rows: String = rows.collect();
    format!("<table><tr><th>field<th>type<th>meaning</tr>{rows}</table>")
}

/// A section for each named type.
pub(super) fn sections(document: &Value) -> String {
    let schemas = document["components"]["schemas"].as_object().into_iter().flatten();
    let sections = schemas.map(|(name, schema)| {
        let (name, about) = (escape(name), paragraphs(schema["description"].as_str().unwrap_or_default()));
        let content = if schema["properties"].is_object() {
            fields(schema)
        } else {
            format!("<p>{}{}</p>", name_of(schema), limits_of(schema))
        };
        format!("<section id=\"type-{name}\"><h3>{name}</h3>{about}{content}</section>")
    });
    sections.collect()
}
