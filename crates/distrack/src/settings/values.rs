//! Reads the texts of settings and flags: durations, addresses, lists, labels. Says what a value must be,
//! never which setting it belongs to.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use distrack_core::QueueName;
use distrack_proto::MAX_QUEUES;

/// A place to listen: a host, or the one that `--bind` names, and a port; 0 for a free one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    /// The host, without brackets.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
}

impl Listen {
    /// Whether nobody but this machine can reach it, as far as the name tells.
    pub(crate) fn is_loopback(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        self.host.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_address(f, &self.host, self.port)
    }
}

fn write_address(f: &mut impl fmt::Write, host: &str, port: u16) -> fmt::Result {
    if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
}

/// `host:port`, with brackets around an IPv6 address.
pub(crate) fn address(host: &str, port: u16) -> String {
    let mut text = String::new();
    write_address(&mut text, host, port).expect("a String takes every write");
    text
}

/// Reads `:8080`, `8080`, `host:8080` or `[::1]:8080`. The first two mean the host `bind`.
pub(crate) fn listen(text: &str, bind: &str) -> Result<Listen, String> {
    let (host, port) = match text.rsplit_once(':') {
        None => ("", text),
        Some(halves) => halves,
    };
    let wrong = || "must be an address such as :8080 or 0.0.0.0:8080".to_owned();
    let host = if host.is_empty() { bind.to_owned() } else { self::host(host).map_err(|_| wrong())? };
    let port = port.parse().map_err(|_| if digits(port) { too_large() } else { wrong() })?;
    Ok(Listen { host, port })
}

/// Reads yes or no.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// Reads a host: a name, an IPv4 or an IPv6 address, the last with or without brackets.
pub(crate) fn host(text: &str) -> Result<String, String> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Some(address) = inner.or(text.contains(':').then_some(text)) {
        let address: std::net::Ipv6Addr =
            address.parse().map_err(|_| "must be a host, without a port".to_owned())?;
        return Ok(address.to_string());
    }
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !text.is_empty() && text.bytes().all(good) {
        return Ok(text.to_owned());
    }
    Err("must be a host: a name or an address".to_owned())
}

/// Reads where to call: `host:port`, `host` or `:port`, and gives it back whole.
pub(crate) fn dial(text: &str, default_host: &str, default_port: u16) -> Result<String, String> {
    let wrong = || format!("must be host:port, such as {default_host}:{default_port}");
    if text.is_empty() || text.contains("//") {
        return Err(wrong());
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let name = if name.is_empty() { default_host.to_owned() } else { host(name).map_err(|_| wrong())? };
    let port = match port {
        None => default_port,
        Some(port) => match port.parse() {
            Ok(0) => return Err("must name a port from 1 to 65535".to_owned()),
            Ok(port) => port,
            Err(_) => return Err(if digits(port) { too_large() } else { wrong() }),
        },
    };
    Ok(address(&name, port))
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn too_large() -> String {
    "has a port that is too large: 65535 is the last".to_owned()
}

/// The bounds of a setting that is a duration: anything shorter is busy work, anything longer a mistake.
const DURATIONS: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(366 * 24 * 60 * 60);

/// Reads a duration within the bounds of a setting, or zero.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let duration = any_duration(text)?;
    if duration.is_zero() { Ok(duration) } else { within(duration) }
}

/// Reads a duration within the bounds of a setting.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    within(any_duration(text)?)
}

fn within(duration: Duration) -> Result<Duration, String> {
    if DURATIONS.contains(&duration) { Ok(duration) } else { Err("must be from 1ms to 1y".to_owned()) }
}

/// Reads a duration such as `500ms`, `5s` or `1h 30m`.
fn any_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a duration such as 500ms, 5s or 1h".to_owned();
    if digits(text) && text != "0" {
        return Err(format!("{}; did you mean {text}s?", wrong()));
    }
    if text == "0" { Ok(Duration::ZERO) } else { humantime::parse_duration(text).map_err(|_| wrong()) }
}

/// Reads a duration, or a bare number of seconds as the API has it.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let bare = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
    match bare {
        Some(seconds) if seconds < 0.0 => Err("must not be negative".to_owned()),
        Some(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| "is too long".to_owned()),
        None => any_duration(text),
    }
}

/// Reads the address of web pages, without the slash at its end.
pub(crate) fn web_url(text: &str) -> Result<String, String> {
    let wrong = || "must be a URL such as http://localhost:16686".to_owned();
    let url = reqwest::Url::parse(text).map_err(|_| wrong())?;
    let good = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.password().is_none();
    if good { Ok(url.as_str().trim_end_matches('/').to_owned()) } else { Err(wrong()) }
}

/// Reads a whole number from `least` to `most`.
pub(crate) fn number(text: &str, least: i64, most: i64) -> Result<i64, String> {
    let number: Option<i64> = text.parse().ok();
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("must be a whole number from {least} to {most}"))
}

/// Reads a number of bytes such as `512M` or `2GiB`; K, M, G and T are powers of 1024.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || "must be a number of bytes such as 512M or 2G".to_owned();
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let shift = match unit.trim_start().to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).filter(|bytes| (1..1 << 60).contains(bytes)).ok_or_else(wrong)
}

/// The items of a list, separated by commas.
pub(crate) fn items(texts: &[String]) -> Vec<&str> {
    texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|item| !item.is_empty()).collect()
}

/// What was read of each item, or what is wrong with each that is wrong.
pub(crate) fn all<T>(read: impl IntoIterator<Item = Result<T, String>>) -> Result<Vec<T>, String> {
    let (mut good, mut wrong) = (Vec::new(), Vec::new());
    for item in read {
        match item {
            Ok(item) => good.push(item),
            Err(message) => wrong.push(message),
        }
    }
    if wrong.is_empty() { Ok(good) } else { Err(wrong.join("; ")) }
}

/// Reads names of queues.
pub(crate) fn queues(texts: &[String]) -> Result<Vec<QueueName>, String> {
    let queue = |item: &str| item.parse().map_err(|error| format!("'{}' {error}", item.escape_debug()));
    let queues = all(items(texts).into_iter().map(queue))?;
    if queues.len() > MAX_QUEUES {
        return Err(format!("must be at most {MAX_QUEUES} queues"));
    }
    Ok(queues)
}

/// Reads `key=value`; the value may be empty and may contain `=`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("must be KEY=VALUE, not '{}'", text.escape_debug())),
    }
}

/// Reads labels.
pub(crate) fn labels(texts: &[String]) -> Result<BTreeMap<String, String>, String> {
    let (key_max, value_max) = distrack_core::new_task::MAX_LABEL_CHARS;
    let label = |item: &str| {
        let (key, value) = pair(item)?;
        if key.chars().count() > key_max || value.chars().count() > value_max {
            let key = key.escape_debug();
            return Err(format!(
                "'{key}': a key has at most {key_max} characters, a value at most {value_max}"
            ));
        }
        Ok((key, value))
    };
    let labels: BTreeMap<_, _> = all(items(texts).into_iter().map(label))?.into_iter().collect();
    if labels.len() > distrack_core::new_task::MAX_LABELS {
        return Err(format!("must be at most {} labels", distrack_core::new_task::MAX_LABELS));
    }
    Ok(labels)
}

#[cfg(test)]
#[path = "values_tests.rs"]
mod tests;
