use proptest::prelude::*;

use super::*;

fn listen_at(text: &str) -> Result<String, String> {
    listen(text, "127.0.0.1").map(|listen| listen.to_string())
}

#[test]
fn a_web_address_is_http_and_keeps_its_path() {
    let read = |text| web_url(text).ok();
    assert_eq!(read("http://localhost:16686/").as_deref(), Some("http://localhost:16686"));
    assert_eq!(read("https://jaeger.example/ui/").as_deref(), Some("https://jaeger.example/ui"));
    for wrong in [
        "",
        "localhost:16686",
        "jaeger",
        "ftp://h",
        "http://",
        "http://h/?a=b",
        "http://h/#x",
        "http://u:p@h",
    ] {
        assert_eq!(read(wrong), None, "{wrong}");
    }
}

#[test]
fn a_place_to_listen_takes_the_default_host_unless_it_names_one() {
    assert_eq!(listen_at(":8080").unwrap(), "127.0.0.1:8080");
    assert_eq!(listen_at("8080").unwrap(), "127.0.0.1:8080");
    assert_eq!(listen_at("0.0.0.0:8080").unwrap(), "0.0.0.0:8080");
    assert_eq!(listen_at("[::1]:0").unwrap(), "[::1]:0");
    assert_eq!(listen_at("worker-1.lan:1").unwrap(), "worker-1.lan:1");
    assert_eq!(listen(":8080", "::").unwrap().to_string(), "[::]:8080");
}

#[test]
fn a_place_to_listen_that_is_none_is_refused() {
    for wrong in ["", ":", "host", ":abc", "a b:1", "http://x:1", ":-1", "[::1", "[x]:1", "/tmp/socket"] {
        assert!(listen_at(wrong).unwrap_err().starts_with("must be an address"), "{wrong}");
    }
    assert!(listen_at(":65536").unwrap_err().contains("too large"));
}

#[test]
fn a_coordinator_is_dialled_at_the_usual_port_unless_it_names_one() {
    let dial = |text| dial(text, "localhost", 8080);
    assert_eq!(dial("a:1").unwrap(), "a:1");
    assert_eq!(dial("a").unwrap(), "a:8080");
    assert_eq!(dial(":9").unwrap(), "localhost:9");
    assert_eq!(dial("[::1]:9").unwrap(), "[::1]:9");
    assert_eq!(dial("::1").unwrap(), "[::1]:8080");
    for wrong in ["", "http://a:1", "a:b", "a:0", "a:99999", "a b"] {
        assert!(dial(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn durations_need_a_unit_and_say_so() {
    assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
    assert_eq!(duration("1h 30m").unwrap(), Duration::from_secs(5400));
    assert_eq!(duration("0").unwrap(), Duration::ZERO);
    assert!(duration("5").unwrap_err().contains("did you mean 5s?"));
    assert!(duration("soon").is_err() && duration("").is_err() && duration("-5s").is_err());
    assert!(positive_duration("0s").is_err());
}

#[test]
fn a_setting_that_is_a_duration_is_from_a_millisecond_to_a_year() {
    for right in ["1ms", "1y", "365d"] {
        assert!(duration(right).is_ok() && positive_duration(right).is_ok(), "{right}");
    }
    for wrong in ["999us", "1ns", "367d", "500000y"] {
        assert_eq!(duration(wrong).unwrap_err(), "must be from 1ms to 1y", "{wrong}");
        assert!(positive_duration(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_delay_may_be_a_bare_number_of_seconds() {
    assert_eq!(seconds("1.5").unwrap(), Duration::from_millis(1500));
    assert_eq!(seconds("2m").unwrap(), Duration::from_secs(120));
    for wrong in ["-1", "nan", "inf", "1e300", "x"] {
        assert!(seconds(wrong).is_err(), "{wrong}");
    }
    assert_eq!(seconds("1e300").unwrap_err(), "is too long");
    assert_eq!(seconds("-1").unwrap_err(), "must not be negative");
}

#[test]
fn lists_are_split_at_commas_and_blanks_do_not_matter() {
    let texts = ["a, b".to_owned(), String::new(), "c,".to_owned()];
    assert_eq!(items(&texts), ["a", "b", "c"]);
    assert_eq!(queues(&texts).unwrap().len(), 3);
    assert!(queues(&["Bad Queue".to_owned()]).unwrap_err().starts_with("'Bad Queue' must be"));
    let many: Vec<_> = (0..=MAX_QUEUES).map(|n| format!("q{n}")).collect();
    assert!(queues(&many).unwrap_err().contains("at most 1000"));
}

#[test]
fn every_wrong_item_of_a_list_is_named() {
    let said = queues(&["A,good,B".to_owned()]).unwrap_err();
    assert!(said.contains("'A' must") && said.contains("'B' must") && !said.contains("good"), "{said}");
    let said = labels(&["x,a=1,y".to_owned()]).unwrap_err();
    assert!(said.contains("not 'x'") && said.contains("not 'y'"), "{said}");
}

#[test]
fn labels_are_pairs_within_their_limits() {
    let labels = |text: &str| labels(&[text.to_owned()]);
    assert_eq!(labels("gpu=true,url=a=b,empty=").unwrap().len(), 3);
    assert!(labels("gpu").unwrap_err().contains("not 'gpu'"));
    assert!(labels("=x").is_err());
    assert!(labels(&format!("{}=x", "k".repeat(64))).is_err());
    assert!(labels(&(0..33).map(|n| format!("k{n}=")).collect::<Vec<_>>().join(",")).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in any::<String>()) {
        let _ = (listen(&text, "::1"), dial(&text, "a", 1), duration(&text), seconds(&text), host(&text));
        let _ = (labels(std::slice::from_ref(&text)), queues(std::slice::from_ref(&text)));
    }

    #[test]
    fn every_address_that_is_shown_can_be_read_again(host in "([a-z]{1,8}|127\\.0\\.0\\.1|\\[::1\\])", port in any::<u16>()) {
        let shown = listen(&format!("{host}:{port}"), "x").unwrap();
        prop_assert_eq!(listen(&shown.to_string(), "y").unwrap(), shown);
    }
}
