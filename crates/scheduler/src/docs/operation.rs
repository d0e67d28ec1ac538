//! Operations: a link for the margin and a section with parameters, body, answers and a curl line.

use serde_json::Value;

use super::EXAMPLE_HOST;
use super::html::{escape, line, paragraphs};
use super::schema;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// The id that the examples name.
const EXAMPLE_ID: &str = "0199d3a5-5b7e-7c31-9f0e-4f6a1c2d3e4f";

/// One method of one path.
pub(super) struct Operation<'a> {
    method: &'static str,
    path: &'a str,
    what: &'a Value,
}

/// Every operation of the document.
pub(super) fn all(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            let present = METHODS.into_iter().filter(|method| item[method].is_object());
            present.map(move |method| Operation { method, path, what: &item[method] })
        })
        .collect()
}

impl Operation<'_> {
    /// The group that it is shown in.
    pub(super) fn tag(&self) -> &str {
        self.what["tags"][0].as_str().unwrap_or_default()
    }

    fn id(&self) -> String {
        escape(self.what["operationId"].as_str().unwrap_or_default())
    }

    fn title(&self) -> String {
        format!("<b class=\"{0}\">{0}</b> <code>{1}</code>", self.method, escape(self.path))
    }

    /// The link in the margin.
    pub(super) fn link(&self) -> String {
        format!("<a href=\"#op-{}\">{}</a>", self.id(), self.title())
    }

    /// The section.
    pub(super) fn section(&self, document: &Value) -> String {
        let summary = line(self.what["summary"].as_str().unwrap_or_default());
        let about = paragraphs(self.what["description"].as_str().unwrap_or_default());
        format!(
            "<section id=\"op-{}\"><h3>{}</h3><p>{summary}</p>{about}{}{}{}<pre>{}</pre></section>",
            self.id(),
            self.title(),
            self.parameters(),
            self.body(document),
            self.answers(),
            escape(&self.curl(document))
        )
    }

    fn parameters(&self) -> String {
        let Some(parameters) = self.what["parameters"].as_array() else { return String::new() };
        let rows = parameters.iter().map(|parameter| {
            let text = |key: &str| parameter[key].as_str().unwrap_or_default();
            let required = parameter["required"].as_bool().unwrap_or_default();
            schema::row(text("name"), text("in"), required, &parameter["schema"], text("description"))
        });
        let rows: String = rows.collect();
        format!("<h4>Parameters</h4><table><tr><th>name<th>type<th>meaning</tr>{rows}</table>")
    }

    fn body_schema<'d>(&self, document: &'d Value) -> Option<&'d Value> {
        let reference = self.what["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str()?;
        document.pointer(reference.strip_prefix('#')?)
    }

    fn body(&self, document: &Value) -> String {
        self.body_schema(document)
            .map_or_else(String::new, |body| format!("<h4>Body</h4>{}", schema::fields(body)))
    }

    fn answers(&self) -> String {
        let answers = self.what["responses"].as_object().into_iter().flatten();
        let rows = answers.map(|(status, answer)| {
            if let Some(reference) = answer["$ref"].as_str() {
                let name = escape(reference.rsplit('/').next().unwrap_or_default());
                return format!(
                    "<tr><td>{}<td><a href=\"#problems\">{name}</a><td>refused, or failed</tr>",
                    escape(status)
                );
            }
            let kinds = answer["content"].as_object().into_iter().flatten();
            let kinds: Vec<String> = kinds.map(|(_, content)| schema::name_of(&content["schema"])).collect();
            let about = line(answer["description"].as_str().unwrap_or_default());
            format!("<tr><td>{}<td>{}<td>{about}</tr>", escape(status), kinds.join(" or "))
        });
        let rows: String = rows.collect();
        format!("<h4>Answers</h4><table><tr><th>status<th>body<th>meaning</tr>{rows}</table>")
    }

    fn curl(&self, document: &Value) -> String {
        let mut url = format!("http://{EXAMPLE_HOST}{}", self.path.replace("{id}", EXAMPLE_ID));
        let parameters = self.what["parameters"].as_array().into_iter().flatten();
        let required = parameters.filter(|one| one["in"] == "query" && one["required"] == true);
        for (index, parameter) in required.enumerate() {
            let mark = if index == 0 { '?' } else { '&' };
            url.push_str(&format!("{mark}{}={EXAMPLE_ID}", parameter["name"].as_str().unwrap_or_default()));
        }
        let method = if self.method == "post" { " -X POST" } else { "" };
        let Some(body) = self.body_schema(document) else { return format!("curl -s{method} '{url}'") };
        format!("curl -s '{url}' -H 'content-type: application/json' -d '{}'", example_of(body))
    }
}

fn example_of(schema: &Value) -> String {
    let example = [&schema["example"], &schema["examples"][0]].into_iter().find(|example| !example.is_null());
    example.map_or_else(|| "{}".to_owned(), Value::to_string)
}
